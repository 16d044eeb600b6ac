/**
 * The JSON log lines of child processes as lines for people.
 */
import { printable, styled } from './terminal.ts';

const LEVEL_NAMES: ReadonlyMap<number, string> = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);

/** A child's line without an end is cut here, so that a mad child cannot fill our memory. */
const MAX_LOG_LINE_CHARACTERS: number = 64 * 1024;

/**
 * @param name whose lines these are
 * @param print takes one line for people
 * @returns takes the child's output as it comes, in any pieces
 */
export function childLogLines(name: string, print: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LOG_LINE_CHARACTERS);
    for (const line of lines) if (line.trim() !== '') print(humanLine(name, line));
  };
}

function humanLine(name: string, line: string): string {
  const entry = parseEntry(line);
  const who = styled('cyan', name, process.stderr);
  if (entry === undefined) return `${who}: ${printable(line)}`;
  const level = LEVEL_NAMES.get(entry.level) ?? String(entry.level);
  const shown =
    entry.level >= 50 ? styled('red', level, process.stderr) : styled('yellow', level, process.stderr);
  return `${who}: ${entry.level >= 40 ? `${shown}: ` : ''}${printable(entry.message)}`;
}

function parseEntry(line: string): { level: number; message: string } | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('level' in value) || !('msg' in value))
      return undefined;
    const error =
      'err' in value && typeof value.err === 'object' && value.err !== null && 'message' in value.err;
    const detail = error ? `: ${String((value.err as { message: unknown }).message)}` : '';
    return { level: Number(value.level), message: `${String(value.msg)}${detail}` };
  } catch {
    return undefined; // Not JSON after all: shown as it is.
  }
}
