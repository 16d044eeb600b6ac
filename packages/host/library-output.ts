/**
 * What libraries print goes through our log: with a time, a name and a level, and not the same again and again.
 */

/** What is needed of a logger. */
interface OutputLog {
  warn(details: { readonly printed: string }, message: string): void;
}

/** What a library printed before is told again after this: a failing disk makes it say the same at each try. */
export const REPEAT_AFTER_MS = 60_000;
/** Different texts that are remembered; more come only when each is another, and then nothing is a repetition. */
const MAX_REMEMBERED_TEXTS = 100;
const MAX_TEXT_LENGTH = 500;

type Printer = 'error' | 'warn' | 'log' | 'info' | 'debug';
const PRINTERS: readonly Printer[] = ['error', 'warn', 'log', 'info', 'debug'];

/**
 * From now on the console of this process writes to the log. None of our own code prints with it.
 *
 * @param now milliseconds of a clock that only counts on
 * @returns gives the console back, for tests
 */
export function logLibraryOutput(logger: OutputLog, now: () => number = () => performance.now()): () => void {
  const toldMs = new Map<string, number>();
  const print = (...values: unknown[]): void => {
    const printed = values.map(textOf).join(' ').slice(0, MAX_TEXT_LENGTH);
    const atMs = now();
    if (atMs - (toldMs.get(printed) ?? Number.NEGATIVE_INFINITY) < REPEAT_AFTER_MS) return;
    if (toldMs.size >= MAX_REMEMBERED_TEXTS) toldMs.clear();
    toldMs.set(printed, atMs);
    logger.warn({ printed }, 'a library says something of itself; what it means for Sluice is told apart');
  };
  const { console: printers } = globalThis;
  const before = PRINTERS.map((printer) => printers[printer]);
  for (const printer of PRINTERS) printers[printer] = print;
  return () => {
    for (const [index, printer] of PRINTERS.entries()) {
      const original = before[index];
      if (original !== undefined) printers[printer] = original;
    }
  };
}

/** An error without its stack: where in a library it was thrown helps nobody. */
function textOf(value: unknown): string {
  if (!(value instanceof Error)) return String(value);
  return 'code' in value ? `${value.message} (code ${String(value.code)})` : value.message;
}
