/**
 * What the tests of the pipeline share: a recorder whose blocks can be read back as lines, a directory with files, and
 * ways to wait for what a pipeline did. No test waits for a time; all wait for a state.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { defined } from '@sluice/base/defined';
import type { SealedRawBlock } from '@sluice/block/builder';
import { FIRST_BLOCK_FORMAT } from '@sluice/block/formats';
import type { BlockHeader, BlockPosition, TimeMs } from '@sluice/protocol/model';
import type { FieldsConsumer, LineConsumer, Stream } from '@sluice/source/consumer';
import { FileSource, type FileSourceOptions } from '@sluice/source/file/file-source';
import type { SourceHost } from '@sluice/source/source';
import { type Pipeline, type PipelineRecorder, startPipeline } from './pipeline.ts';
import { DurableQueue } from './queue/queue.ts';

const POLL_MS = 10;
const WAIT_LIMIT_MS = 50_000;

/** A line with the path that it was read under, as the fixture's blocks keep it. */
export interface RecordedLine {
  readonly path: string;
  readonly text: string;
}

/** Keeps `path NUL line LF` in two builders: lines with "ERROR" are urgent. Bodies are latin1, so bytes survive. */
export class LineRecorder implements PipelineRecorder {
  #urgent: string[] = [];
  #normal: string[] = [];
  #urgentBytes = 0;
  #normalBytes = 0;
  #oldestObservedMs = 0;

  forFields(): FieldsConsumer {
    throw new Error('no source of these tests knows fields');
  }

  forLines(stream: Stream): LineConsumer {
    return {
      line: (buffer, start, end, observedMs) => {
        if (this.pendingRecords === 0) this.#oldestObservedMs = observedMs;
        const entry = `${stream.name}\0${buffer.toString('latin1', start, end)}\n`;
        if (entry.includes('ERROR')) {
          this.#urgent.push(entry);
          this.#urgentBytes += entry.length;
        } else {
          this.#normal.push(entry);
          this.#normalBytes += entry.length;
        }
      },
    };
  }

  get pendingRecords(): number {
    return this.#urgent.length + this.#normal.length;
  }

  get urgentPending(): boolean {
    return this.#urgent.length > 0;
  }

  get largestBuilderRawBytes(): number {
    return Math.max(this.#urgentBytes, this.#normalBytes);
  }

  cut(nextPosition: () => BlockPosition): SealedRawBlock[] {
    const blocks: SealedRawBlock[] = [];
    for (const [urgency, lines] of [
      ['urgent', this.#urgent],
      ['normal', this.#normal],
    ] as const) {
      if (lines.length === 0) continue;
      const raw = Buffer.from(lines.join(''), 'latin1');
      const id = nextPosition();
      const oldestObservedMs = this.#oldestObservedMs as TimeMs;
      blocks.push({
        format: FIRST_BLOCK_FORMAT,
        header: { id, urgency, rawBytes: raw.length, recordCount: lines.length, oldestObservedMs },
        raw,
      });
    }
    this.#urgent = [];
    this.#normal = [];
    this.#urgentBytes = 0;
    this.#normalBytes = 0;
    return blocks;
  }
}

/** All lines in the queue, block by block. */
export function linesIn(queue: DurableQueue): RecordedLine[] {
  const lines: RecordedLine[] = [];
  for (const { header } of queue.blocks()) {
    const payload = queue.readPayload(header.id);
    if (payload === undefined) throw new Error('a block without payload');
    const entries = zstdDecompressSync(payload).toString('latin1').split('\n');
    entries.pop();
    if (entries.length !== header.recordCount) throw new Error('record count');
    for (const entry of entries) {
      const file = entry.slice(0, entry.indexOf('\0'));
      lines.push({ path: file, text: entry.slice(file.length + 1) });
    }
  }
  return lines;
}

/** A directory for logs and one for the queue, and the pipeline between them. */
export class PipelineFixture {
  readonly root: string = mkdtempSync(path.join(tmpdir(), 'sluice-pipeline-'));
  readonly logs: string = path.join(this.root, 'logs');
  readonly data: string = path.join(this.root, 'data');
  readonly headers: BlockHeader[] = [];
  #queue: DurableQueue | undefined;
  #pipeline: Pipeline | undefined;
  #files: FileSource | undefined;

  constructor() {
    mkdirSync(this.logs);
  }

  get queue(): DurableQueue {
    if (this.#queue === undefined) throw new Error('not started');
    return this.#queue;
  }

  get openFileCount(): number {
    return this.#files?.openFileCount ?? 0;
  }

  get pipeline(): Pipeline {
    if (this.#pipeline === undefined) throw new Error('not started');
    return this.#pipeline;
  }

  file(name: string): string {
    return path.join(this.logs, name);
  }

  async start(
    files: Partial<FileSourceOptions> = {},
    maxBytes?: number,
    cutDelayMs = 20,
    recorder: PipelineRecorder = new LineRecorder(),
    blockBytesWanted?: () => number,
  ): Promise<void> {
    const queue = await DurableQueue.open({
      directory: this.data,
      ...defined({ maxBytes }),
    });
    this.#queue = queue;
    this.#pipeline = await startPipeline({
      sources: [(host) => this.#fileSource({ ...this.#fileOptions, ...files }, host)],
      recorder,
      queue,
      logger: { warn: () => undefined, info: () => undefined },
      onBlocks: (blocks) => this.headers.push(...blocks),
      urgentCutDelayMs: cutDelayMs / 4,
      maxCutDelayMs: cutDelayMs,
      ...defined({ blockBytesWanted }),
    });
  }

  get #fileOptions(): FileSourceOptions {
    return {
      include: [path.join(this.logs, '**/*.log')],
      fromStart: true,
      ownDirectories: [this.data],
      lookIntervalMs: 50,
      pollIntervalMs: 20,
      flushAfterMs: 60_000,
      rotationWaitMs: 200,
    };
  }

  #fileSource(options: FileSourceOptions, host: SourceHost): FileSource {
    this.#files = new FileSource(options, host);
    return this.#files;
  }

  async stop(): Promise<void> {
    await this.#pipeline?.stop();
    await this.#queue?.close();
    this.#pipeline = undefined;
    this.#queue = undefined;
  }

  /** Texts of all lines in the queue. */
  texts(): string[] {
    return linesIn(this.queue).map((line) => line.text);
  }

  /** Waits until the queue holds this many lines, then returns all of them. */
  async lines(count: number): Promise<string[]> {
    await until(
      () => recordCount(this.queue) >= count,
      () => `${count} lines, have ${recordCount(this.queue)}`,
    );
    return this.texts();
  }

  async cleanUp(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Waits until a state is reached; a state that never comes is an error that names it. */
export async function until(reached: () => boolean, what: () => string): Promise<void> {
  const limit = performance.now() + WAIT_LIMIT_MS;
  while (!reached()) {
    if (performance.now() > limit) throw new Error(`never reached: ${what()}`);
    await sleep(POLL_MS);
  }
}

/** Records in the queue. */
export function recordCount(queue: DurableQueue): number {
  let count = 0;
  for (const { header } of queue.blocks()) count += header.recordCount;
  return count;
}
