/**
 * The log of an incident: DEBUG and INFO lines at a steady rate, and some ERROR lines each second, each line with a
 * number of its own.
 *
 * Invariants: an ERROR line is written by itself, and its time is taken right before it is written; both rates are kept
 * over the whole flood, also when the writer was held up for a while; of ordinary lines at most what MAX_LATE_MS bring is
 * made up for, so that on a busy machine the flood gets smaller (bytesWritten tells) and nothing else waits for it.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@sluice/base/random';
import { compressBlock } from '@sluice/block/builder';
import type { AgentId } from '@sluice/protocol/model';
import { Recorder } from '@sluice/record/recorder';
import { splitLines } from '@sluice/source/file/line-splitter';

/** How often due lines are written: a program that logs a lot writes some ten KiB at once. */
const TICK_MS = 20;
const FIRST_ERROR_MS = 500;
const MAX_LATE_MS = 1000;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** Of padding, before it comes again: more than a block holds, so that no block can be compressed by it. */
const PADDING_POOL_BYTES: number = 8 * 1024 * 1024;
/** Lines that the size of blocks is measured with. */
const SAMPLE_LINES = 20_000;
const WRITTEN_AT_ONCE = 1000;
const SAMPLE_LINES_AT_ONCE = 100;
/** As large as an agent makes blocks in a flood on a fast link. */
const SAMPLE_BLOCK_BYTES: number = 1024 * 1024;

/** An ERROR line of the flood. */
export interface ErrorLine {
  /** The word by which it is found. */
  readonly token: string;
  readonly writtenMs: number;
}

/** What is written. */
export interface FloodPlan {
  /** Of lines, with their ends. */
  readonly bytesPerSecond: number;
  readonly errorsPerSecond: number;
  /** Random letters at the end of each ordinary line: what they take is hardly less in a block than in the file. */
  readonly paddingBytes?: number;
}

/** How ordinary lines look in blocks, as means. */
export interface LineShape {
  /** With the line's end. */
  readonly lineBytes: number;
  /** In an uncompressed block. */
  readonly rawBytes: number;
  /** In a full block as it is sent. */
  readonly payloadBytes: number;
}

/** Makes the lines. */
class Lines {
  readonly #random = new Random(7);
  readonly #paddingBytes: number;
  readonly #pool: string;
  #poolAt = 0;
  count = 0;
  errors = 0;

  constructor(paddingBytes: number) {
    this.#paddingBytes = paddingBytes;
    this.#pool = paddingBytes === 0 ? '' : randomLetters(PADDING_POOL_BYTES);
  }

  ordinary(nowMs: number): string {
    const [number, random] = [this.count++, this.#random.next()];
    const session = Math.floor(random * 2 ** 48).toString(16);
    const time = new Date(nowMs).toISOString();
    const padding = this.#paddingBytes === 0 ? '' : ` ${this.#padding()}`;
    return number % 2 === 0
      ? `${time} DEBUG [worker-${number % 16}] com.example.cache: line-${number} session ${session} found, 3 entries${padding}\n`
      : `${time} INFO [worker-${number % 16}] com.example.orders: line-${number} order ${session} taken in ${Math.floor(random * 90)} ms${padding}\n`;
  }

  error(nowMs: number): { text: string; token: string } {
    const token = `incident${String(this.errors++).padStart(6, '0')}`;
    const time = new Date(nowMs).toISOString();
    const text = `${time} ERROR [worker-7] com.example.pay: line-${this.count++} ${token} upstream timed out after 30000 ms\n`;
    return { text, token };
  }

  #padding(): string {
    if (this.#poolAt + this.#paddingBytes > this.#pool.length) this.#poolAt = 0;
    const padding = this.#pool.slice(this.#poolAt, this.#poolAt + this.#paddingBytes);
    this.#poolAt += this.#paddingBytes;
    return padding;
  }
}

function randomLetters(length: number): string {
  const random = new Random(11);
  const letters = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    letters[at] = LETTERS.charCodeAt(Math.floor(random.next() * LETTERS.length));
  }
  return letters.toString('latin1');
}

/** A flood that goes into one file. */
export class Flood {
  readonly #file: string;
  readonly #plan: FloodPlan;
  readonly #lines: Lines;
  /** In the order of writing. */
  readonly errors: ErrorLine[] = [];
  bytesWritten = 0;
  #missedBytes = 0;

  constructor(file: string, plan: FloodPlan) {
    this.#file = file;
    this.#plan = plan;
    this.#lines = new Lines(plan.paddingBytes ?? 0);
    closeSync(openSync(file, 'w'));
  }

  get linesWritten(): number {
    return this.#lines.count;
  }

  /** Resolves when the flood is over. */
  async run(seconds: number): Promise<void> {
    const file = openSync(this.#file, 'a');
    const startMs = performance.now();
    const errorIntervalMs = 1000 / this.#plan.errorsPerSecond;
    // Half a second in, so that the flood is there before its first ERROR line.
    let errorDueMs = FIRST_ERROR_MS;
    for (;;) {
      const elapsedMs = Math.min(performance.now() - startMs, seconds * 1000);
      this.#catchUp(file, (elapsedMs / 1000) * this.#plan.bytesPerSecond);
      while (elapsedMs >= errorDueMs) {
        const writtenMs = Date.now();
        const { text, token } = this.#lines.error(writtenMs);
        this.errors.push({ token, writtenMs });
        this.bytesWritten += writeSync(file, text);
        errorDueMs += errorIntervalMs;
      }
      if (elapsedMs === seconds * 1000) break;
      await sleep(TICK_MS);
    }
    closeSync(file);
  }

  #catchUp(file: number, plannedBytes: number): void {
    const nowMs = Date.now();
    const lines: string[] = [];
    const mostBytes = this.bytesWritten + (MAX_LATE_MS / 1000) * this.#plan.bytesPerSecond;
    this.#missedBytes += Math.max(0, plannedBytes - this.#missedBytes - mostBytes);
    const dueBytes = plannedBytes - this.#missedBytes;
    let bytes = this.bytesWritten;
    while (bytes < dueBytes) {
      const line = this.#lines.ordinary(nowMs);
      bytes += line.length;
      lines.push(line);
    }
    this.bytesWritten += writeSync(file, lines.join(''));
  }
}

/**
 * Makes a file of ordinary lines.
 * @returns its size in bytes
 */
export function writeOrdinaryLines(file: string, count: number, paddingBytes: number): number {
  const lines = new Lines(paddingBytes);
  const opened = openSync(file, 'w');
  let bytes = 0;
  while (lines.count < count) {
    const atOnce = Math.min(WRITTEN_AT_ONCE, count - lines.count);
    const text = Array.from({ length: atOnce }, () => lines.ordinary(Date.now())).join('');
    bytes += writeSync(opened, text);
  }
  closeSync(opened);
  return bytes;
}

/** @returns what a line of the flood takes in the file, in a block (quotas and the cap count that), and on the way */
export async function measureShape(paddingBytes = 0): Promise<LineShape> {
  const lines = new Lines(paddingBytes);
  const nowMs = Date.now();
  const recorder = new Recorder({ hostName: 'bench', timeZone: 'UTC' });
  const consumer = recorder.forFile('/var/log/storm.log');
  const sum = { lineBytes: 0, rawBytes: 0, payloadBytes: 0 };
  let sequence = 0;
  const cut = async (): Promise<void> => {
    const blocks = recorder.cut(() => {
      sequence += 1;
      // A name of its own kind, as the configuration makes it.
      return { agentId: 'bench' as AgentId, epoch: 1, sequence };
    });
    for (const block of blocks) {
      sum.rawBytes += block.header.rawBytes;
      sum.payloadBytes += (await compressBlock(block)).length;
    }
  };
  for (let count = 0; count < SAMPLE_LINES; count += SAMPLE_LINES_AT_ONCE) {
    const text = Array.from({ length: SAMPLE_LINES_AT_ONCE }, () => lines.ordinary(nowMs)).join('');
    const bytes = Buffer.from(text);
    splitLines(bytes, bytes.length, { offsetBytes: 0, midLine: false }, consumer, nowMs, () => undefined);
    sum.lineBytes += bytes.length;
    if (recorder.largestBuilderRawBytes >= SAMPLE_BLOCK_BYTES) await cut();
  }
  await cut();
  return {
    lineBytes: sum.lineBytes / SAMPLE_LINES,
    rawBytes: sum.rawBytes / SAMPLE_LINES,
    payloadBytes: sum.payloadBytes / SAMPLE_LINES,
  };
}
