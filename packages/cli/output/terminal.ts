/**
 * What the commands print: results on stdout, everything else on stderr; coloured on a terminal, plain in a pipe.
 */
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { SluiceError } from '@sluice/base/error';

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

/** Tells an error on stderr: what was wrong, and what to do. Its words may be those of a server, or name a file. */
export function printError(error: unknown): void {
  const problem = SluiceError.from(error);
  process.stderr.write(
    `${styled(['red', 'bold'], 'sluice:', process.stderr)} ${printableLines(problem.message)}\n`,
  );
  if (problem.hint !== undefined) process.stderr.write(`  ${printableLines(problem.hint)}\n`);
  if (problem.code === 'internal' && problem.cause instanceof Error && problem.cause.stack !== undefined) {
    process.stderr.write(`${styled('dim', printableLines(problem.cause.stack), process.stderr)}\n`);
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
 * What a terminal obeys, or shows as something else than it is: control characters but tab, those of the second set
 * (U+009B begins an escape sequence too), ends of lines of Unicode, and what turns the direction of the text that follows.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose.
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Text of others on its way to a terminal: what would drive it, or hide what is written, is shown and not executed. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    if (code === 10) return '\\n';
    return code > 0xff ? unicodeEscape(character) : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

/** Words of several lines, as those of a parser. */
function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** JSON in one line, which a terminal shows as it is: what {@link printable} shows is escaped, and means the same. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(UNPRINTABLE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
