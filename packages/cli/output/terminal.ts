/**
 * What the commands print: results on stdout, everything else on stderr; coloured on a terminal, plain in a pipe.
 */
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { SluiceError } from '@sluice/protocol/error';

type Style = Parameters<typeof styleText>[0];

/** @returns the text, styled when the stream is a terminal that wants colours (NO_COLOR is respected) */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Writes one line to stdout; resolves when the pipe takes more, so that a slow reader bounds memory. */
export async function printLine(text: string): Promise<void> {
  if (process.stdout.write(`${text}\n`)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', () => resolve()));
}

/** Tells an error on stderr: what was wrong, and what to do. */
export function printError(error: unknown): void {
  const problem = SluiceError.from(error);
  process.stderr.write(`${styled(['red', 'bold'], 'sluice:', process.stderr)} ${problem.message}\n`);
  if (problem.hint !== undefined) process.stderr.write(`  ${problem.hint}\n`);
  if (problem.code === 'internal' && problem.cause instanceof Error && problem.cause.stack !== undefined) {
    process.stderr.write(`${styled('dim', problem.cause.stack, process.stderr)}\n`);
  }
}

/** A reader that has seen enough (`sluice search ... | head`) is no failure. */
export function endQuietlyOnClosedPipe(stream: WriteStream | NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/**
 * Text from a log on its way to a terminal: control characters other than tab are shown, not executed, so that a
 * hostile line cannot drive the terminal.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose.
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0);
    return code === 10 ? '\\n' : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
