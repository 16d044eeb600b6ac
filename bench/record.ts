/**
 * From bytes to sealed blocks on one thread: splitting, parsing, appending, sealing.
 *
 * Measured: best and median of several rounds over a file that is held in memory, cut whenever a builder holds 2 MiB;
 * and how many lines got a time and a severity. Not measured: reading the file, compression, the queue.
 */
import { readFileSync } from 'node:fs';
import type { AgentId } from '@sluice/protocol/model';
import { Recorder } from '@sluice/record/recorder';
import { splitLines } from '@sluice/source/file/line-splitter';
import { corpusLines } from '../apptest/support/corpus.ts';

const DEFAULT_LINES = 500_000;
const ROUNDS = 7;
const TARGET_RAW_BYTES = 2 * 1024 * 1024;
/** As large as the pieces that a file is read in. */
const PIECE_BYTES = 512 * 1024;

/** @param argumentsOfBench the file to read; without one, generated lines. */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const [file] = argumentsOfBench;
  const bytes =
    file === undefined
      ? Buffer.from(`${[...corpusLines(DEFAULT_LINES, 7)].join('\n')}\n`)
      : readFileSync(file);
  const rounds: number[] = [];
  let lines = 0;
  let rawBytes = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    ({ lines, rawBytes } = record(bytes));
    rounds.push(performance.now() - started);
  }
  rounds.sort((a, b) => a - b);
  const rate = (milliseconds: number): string =>
    `${(lines / milliseconds / 1000).toFixed(2)} million lines/s`;
  process.stdout.write(
    `record: ${lines} lines, ${(bytes.length / 1e6).toFixed(1)} MB -> ${(rawBytes / 1e6).toFixed(1)} MB in blocks; ` +
      `best ${rate(rounds[0] ?? 0)}, median ${rate(rounds[ROUNDS >> 1] ?? 0)} of ${ROUNDS} rounds\n`,
  );
}

function record(bytes: Buffer): { lines: number; rawBytes: number } {
  const recorder = new Recorder({ hostName: 'bench', timeZone: 'UTC' });
  const consumer = recorder.forFile('/var/log/bench.log');
  const observedMs = Date.now();
  let lines = 0;
  let rawBytes = 0;
  let sequence = 0;
  const cut = (): void => {
    const blocks = recorder.cut(() => {
      sequence += 1;
      // A name of its own kind, as the configuration makes it.
      return { agentId: 'bench' as AgentId, epoch: 1, sequence };
    });
    for (const block of blocks) rawBytes += block.header.rawBytes;
  };
  const position = { offsetBytes: 0, midLine: false };
  const afterLine = (): void => {
    lines += 1;
    if (lines % 64 === 0 && recorder.largestBuilderRawBytes >= TARGET_RAW_BYTES) cut();
  };
  while (position.offsetBytes < bytes.length) {
    const piece = bytes.subarray(position.offsetBytes, position.offsetBytes + PIECE_BYTES);
    const before = position.offsetBytes;
    splitLines(piece, piece.length, position, consumer, observedMs, afterLine);
    if (position.offsetBytes === before) break;
  }
  cut();
  return { lines, rawBytes };
}
