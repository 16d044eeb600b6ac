/**
 * The log of an incident: DEBUG and INFO lines at a steady rate, and one ERROR line each second, each line with a
 * number of its own.
 *
 * Invariants: an ERROR line is written by itself, and its time is taken right before it is written; the rate is kept
 * over the whole flood, also when the writer was held up for a while.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@sluice/base/random';
import type { AgentId } from '@sluice/protocol/model';
import { Recorder } from '@sluice/record/recorder';
import { splitLines } from '@sluice/source/file/line-splitter';

/** How often due lines are written: a program that logs a lot writes some ten KiB at once. */
const TICK_MS = 20;
const ERROR_INTERVAL_MS = 1000;
/** Lines that the size of blocks is measured with. */
const SAMPLE_LINES = 20_000;

/** An ERROR line of the flood. */
export interface ErrorLine {
  /** The word by which it is found. */
  readonly token: string;
  readonly writtenMs: number;
}

/** How the lines of the flood look in blocks. */
export interface LineShape {
  /** Mean length with the line's end. */
  readonly lineBytes: number;
  /** Mean size in an uncompressed block. */
  readonly rawBytes: number;
}

/** Makes the lines. */
class Lines {
  readonly #random = new Random(7);
  count = 0;
  errors = 0;

  ordinary(nowMs: number): string {
    const [number, random] = [this.count++, this.#random.next()];
    const session = Math.floor(random * 2 ** 48).toString(16);
    const time = new Date(nowMs).toISOString();
    return number % 2 === 0
      ? `${time} DEBUG [worker-${number % 16}] com.example.cache: line-${number} session ${session} found, 3 entries\n`
      : `${time} INFO [worker-${number % 16}] com.example.orders: line-${number} order ${session} taken in ${Math.floor(random * 90)} ms\n`;
  }

  error(nowMs: number): { text: string; token: string } {
    const token = `incident${String(this.errors++).padStart(6, '0')}`;
    const time = new Date(nowMs).toISOString();
    const text = `${time} ERROR [worker-7] com.example.pay: line-${this.count++} ${token} upstream timed out after 30000 ms\n`;
    return { text, token };
  }
}

/** A flood that goes into one file. */
export class Flood {
  readonly #file: string;
  readonly #bytesPerSecond: number;
  readonly #lines = new Lines();
  /** In the order of writing. */
  readonly errors: ErrorLine[] = [];
  bytesWritten = 0;

  /** @param bytesPerSecond of lines, with their ends */
  constructor(file: string, bytesPerSecond: number) {
    this.#file = file;
    this.#bytesPerSecond = bytesPerSecond;
    closeSync(openSync(file, 'w'));
  }

  get linesWritten(): number {
    return this.#lines.count;
  }

  /** Resolves when the flood is over. */
  async run(seconds: number): Promise<void> {
    const file = openSync(this.#file, 'a');
    const startMs = performance.now();
    // Half a second in, so that the flood is there before its first ERROR line.
    let errorDueMs = ERROR_INTERVAL_MS / 2;
    for (;;) {
      const elapsedMs = Math.min(performance.now() - startMs, seconds * 1000);
      this.#catchUp(file, (elapsedMs / 1000) * this.#bytesPerSecond);
      if (elapsedMs >= errorDueMs) {
        const writtenMs = Date.now();
        const { text, token } = this.#lines.error(writtenMs);
        this.errors.push({ token, writtenMs });
        this.bytesWritten += writeSync(file, text);
        errorDueMs += ERROR_INTERVAL_MS;
      }
      if (elapsedMs === seconds * 1000) break;
      await sleep(TICK_MS);
    }
    closeSync(file);
  }

  #catchUp(file: number, dueBytes: number): void {
    const nowMs = Date.now();
    const lines: string[] = [];
    let bytes = this.bytesWritten;
    while (bytes < dueBytes) {
      const line = this.#lines.ordinary(nowMs);
      bytes += line.length;
      lines.push(line);
    }
    this.bytesWritten += writeSync(file, lines.join(''));
  }
}

/** @returns what a line of the flood takes in the file and in a block: quotas and the cap count the latter */
export function measureShape(): LineShape {
  const lines = new Lines();
  const nowMs = Date.now();
  const text = Array.from({ length: SAMPLE_LINES }, () => lines.ordinary(nowMs)).join('');
  const bytes = Buffer.from(text);
  const recorder = new Recorder({ hostName: 'bench', timeZone: 'UTC' });
  const position = { offsetBytes: 0, midLine: false };
  splitLines(bytes, bytes.length, position, recorder.forFile('/var/log/storm.log'), nowMs, () => undefined);
  let sequence = 0;
  const blocks = recorder.cut(() => {
    sequence += 1;
    // A name of its own kind, as the configuration makes it.
    return { agentId: 'bench' as AgentId, epoch: 1, sequence };
  });
  const rawBytes = blocks.reduce((sum, { header }) => sum + header.rawBytes, 0);
  return { lineBytes: bytes.length / SAMPLE_LINES, rawBytes: rawBytes / SAMPLE_LINES };
}
