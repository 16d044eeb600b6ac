/**
 * Log lines of the shapes that real systems write, each with a number of its own, from a seed.
 */
import { Random } from '@sluice/base/random';

const SHAPES: readonly ((when: Date, number: number) => string)[] = [
  (when, number) =>
    `${when.toISOString()} INFO [main] com.example.Orders: order line-${number} taken in 12 ms`,
  (when, number) =>
    `${when.toISOString().replace('T', ' ').replace('.', ',').slice(0, 23)} DEBUG cache: line-${number} hit`,
  (when, number) => `${when.toISOString()} WARN pool: line-${number} connection slow, 900 ms`,
  (when, number) => `${when.toISOString()} ERROR [worker-7] pay: line-${number} timed out after 30000 ms`,
  (when, number) =>
    JSON.stringify({
      time: when.toISOString(),
      level: 'info',
      service: 'api',
      msg: `line-${number} GET /v1/items`,
      status: 200,
    }),
  (when, number) =>
    `${when.toUTCString().slice(8, 11)} ${String(when.getUTCDate()).padStart(2, ' ')} ${when.toISOString().slice(11, 19)} ` +
    `web-1 sshd[${1000 + (number % 9000)}]: line-${number} Accepted publickey for deploy`,
];

/**
 * @param count how many lines
 * @returns text lines `line-0` to `line-(count-1)`, without terminators
 */
export function* corpusLines(count: number, seed: number): Generator<string> {
  const random = new Random(seed);
  const startMs = Date.UTC(2026, 0, 10);
  for (let number = 0; number < count; number += 1) {
    const shape = SHAPES[Math.floor(random.next() * SHAPES.length)];
    if (shape !== undefined) yield shape(new Date(startMs + number * 3), number);
  }
}

/** @returns the number of a corpus line, from the body of its record (the message alone, where the line was JSON) */
export function lineNumber(body: unknown): number {
  const number = /\bline-(\d+)\b/.exec(String(body))?.[1];
  if (number === undefined) throw new Error(`not a line of the corpus: ${String(body)}`);
  return Number(number);
}
