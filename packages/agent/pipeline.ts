/**
 * From sources to durable blocks: drives sources and recorder, decides when to cut, and brings cuts into the queue.
 *
 * Invariants:
 * - A cut takes all builders and all read positions at one moment, between two records. Both enter the queue in one
 *   transaction, so that after a crash each record of a source that can wait is in a block exactly once.
 * - Cuts enter the queue in the order in which they were made; a cut that fails is tried again before the next one.
 * - Reading pauses while the queue is full or {@link MAX_CUTS_IN_THE_AIR} cuts are on their way: what can wait waits in place.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '@sluice/base/defined';
import { type ErrorCode, SluiceError } from '@sluice/base/error';
import { compressBlock, type SealedRawBlock } from '@sluice/block/builder';
import type { CompressionEffort } from '@sluice/block/compression';
import { withDigest } from '@sluice/block/digest';
import type { BlockFormat } from '@sluice/block/formats';
import { releaseMemory } from '@sluice/block/release-memory';
import type { BlockHeader, BlockPosition } from '@sluice/protocol/model';
import type { CheckpointChange } from '@sluice/source/checkpoint-change';
import type { Consumers, Stream } from '@sluice/source/consumer';
import { ContainedSource } from '@sluice/source/contained-source';
import type { CreateSource, Source } from '@sluice/source/source';
import { mergeStates, type SourceStates } from '@sluice/source/source-states';
import type { DurableQueue } from './queue/queue.ts';
import type { NewBlock } from './queue/queued-block.ts';

/** A builder that holds this much is cut: large enough to compress and load well, half of what a block may be. */
export const TARGET_BLOCK_RAW_BYTES: number = 2 * 1024 * 1024;
/** Smaller blocks are made for no link: they take a fifth more bytes after compression, and a commit each. */
export const LEAST_BLOCK_RAW_BYTES: number = 64 * 1024;
/** A block that must not be larger than what is wanted is cut when so much of that is missing: one look, and a long line. */
const MARGIN_FRACTION = 1 / 8;
/** How long an urgent record waits for company. */
const URGENT_CUT_DELAY_MS = 50;
/** How long any record waits in a builder. */
const MAX_CUT_DELAY_MS = 500;
/** Cuts being compressed or written: one of each kind of work, and one to have something next. */
const MAX_CUTS_IN_THE_AIR = 3;
/** Pause before a failed write is tried again: disks do not get free in less. */
const RETRY_DELAY_MS = 1000;
/** An error of ours at each record would fill the log of the agent: the count says the rest. */
const FAILURE_LOG_INTERVAL_MS = 60_000;
/** Records between two looks at the builders' sizes; with short ones a look each would cost more than the record. */
const RECORDS_PER_SIZE_CHECK = 64;

/** And this many bytes: what long lines become may be several times their size, and a block has a hard limit. */
const BYTES_PER_SIZE_CHECK: number = 64 * 1024;

/** The part of the recorder that the pipeline uses. */
export interface PipelineRecorder extends Consumers {
  readonly pendingRecords: number;
  /** Whether an urgent record waits. */
  readonly urgentPending: boolean;
  readonly largestBuilderRawBytes: number;
  /** Seals all builders that hold something. `nextPosition` is called once per block, in order. */
  cut(nextPosition: () => BlockPosition, format: BlockFormat): SealedRawBlock[];
}

/** The part of a logger that the pipeline uses. */
export interface PipelineLogger {
  warn(facts: object, message: string): void;
  info(facts: object, message: string): void;
}

export interface PipelineOptions {
  /** Where the records come from; at least one. */
  readonly sources: readonly CreateSource[];
  readonly recorder: PipelineRecorder;
  readonly queue: DurableQueue;
  readonly logger: PipelineLogger;
  /** Blocks are durable and may be sent. */
  readonly onBlocks: (blocks: BlockHeader[]) => void;
  /**
   * How large blocks may be now, in raw bytes; asked often. Less than LEAST_BLOCK_RAW_BYTES counts as that; TARGET_BLOCK_RAW_BYTES
   * and more, and the default, say that any block will do.
   */
  readonly blockBytesWanted?: () => number;
  readonly urgentCutDelayMs?: number;
  readonly maxCutDelayMs?: number;
  /** How long the start or the stop of one source holds up what comes after it. Default: of each its own. */
  readonly sourcePatienceMs?: number;
}

/** Why the queue cannot be written. */
export interface WriteFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** For how long already. */
  readonly forMs: number;
}

export interface Pipeline {
  /** Stops reading, makes durable what was read, and closes the files. The queue stays open; it is the caller's. */
  stop(): Promise<void>;
  /** Bytes on disk that were not read, as far as is known. */
  readonly unreadBytes: number;
  /** For how long reading has paused because the queue is full; 0: it does not. */
  readonly pausedMs: number;
  /** Undefined while the queue can be written. */
  readonly writeFailure: WriteFailure | undefined;
  /** What stands in the way now, one sentence each. */
  problems(): string[];
  /** How the sources are. */
  sources(): SourceStates;
}

/** Starts following the files. Resolves after the first look at them. */
export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const running = new RunningPipeline(options);
  await running.start();
  return running;
}

class RunningPipeline implements Pipeline {
  readonly #options: PipelineOptions;
  readonly #sources: readonly Source[];
  readonly #blockBytesWanted: () => number;
  readonly #urgentCutDelayMs: number;
  readonly #maxCutDelayMs: number;
  readonly #stopping = new AbortController();
  #recordsUnchecked = 0;
  #bytesUnchecked = 0;
  #bytesPerSizeCheck = BYTES_PER_SIZE_CHECK;
  #cutsInTheAir = 0;
  #lastCommit: Promise<void> = Promise.resolve();
  #cutTimer: NodeJS.Timeout | undefined;
  #urgentTimer: NodeJS.Timeout | undefined;
  #cutOverdue = false;
  #waitingForRoom = false;
  /** Of the clock that only counts on. */
  #waitingSinceMs = 0;
  #writeFailure: (Omit<WriteFailure, 'forMs'> & { readonly sinceMs: number }) | undefined;
  #abandoned = false;
  #failedRecords = 0;
  #failureToldMs = Number.NEGATIVE_INFINITY;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#blockBytesWanted = options.blockBytesWanted ?? ((): number => TARGET_BLOCK_RAW_BYTES);
    this.#urgentCutDelayMs = options.urgentCutDelayMs ?? URGENT_CUT_DELAY_MS;
    this.#maxCutDelayMs = options.maxCutDelayMs ?? MAX_CUT_DELAY_MS;
    this.#sources = options.sources.map((create) => this.#contained(create));
  }

  async start(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.start()));
    this.#afterTurn();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.stop()));
    this.#clearTimers();
    this.#stopping.abort();
    this.#cut();
    await this.#lastCommit;
  }

  get unreadBytes(): number {
    return this.#sources.reduce((sum, source) => sum + source.unreadBytes, 0);
  }

  get pausedMs(): number {
    return this.#waitingForRoom ? Math.max(1, Math.round(performance.now() - this.#waitingSinceMs)) : 0;
  }

  get writeFailure(): WriteFailure | undefined {
    if (this.#writeFailure === undefined) return undefined;
    const { code, message, hint, sinceMs } = this.#writeFailure;
    return { code, message, hint, forMs: Math.round(performance.now() - sinceMs) };
  }

  problems(): string[] {
    const problems = this.#sources.flatMap((source) => source.problems());
    if (this.#writeFailure !== undefined)
      problems.push(`${this.#writeFailure.message}. ${this.#writeFailure.hint}`.trim());
    return problems;
  }

  sources(): SourceStates {
    const why = this.#writeFailure === undefined ? 'the queue is full' : 'the queue cannot be written';
    return mergeStates(this.#sources.map((source) => source.states(`reading pauses: ${why}`)));
  }

  #contained(create: CreateSource): Source {
    const { recorder, queue, logger, sourcePatienceMs } = this.#options;
    const source = create({
      consumers: recorder,
      checkpoints: queue.checkpoints(),
      mayHandOut: () => this.#mayHandOut(),
      afterRecord: (bytes) => this.#afterRecord(bytes),
      afterTurn: () => this.#afterTurn(),
      recordFailed: (stream, error) => this.#recordFailed(stream, error),
    });
    return new ContainedSource(source, {
      onFault: (kind, reason) =>
        logger.warn({ source: kind, reason }, 'a source fails by an error of the agent'),
      ...defined({ startPatienceMs: sourcePatienceMs, stopPatienceMs: sourcePatienceMs }),
    });
  }

  #mayHandOut(): boolean {
    if (this.#cutsInTheAir >= MAX_CUTS_IN_THE_AIR) return false;
    if (!this.#options.queue.isFull) return true;
    if (!this.#waitingForRoom) {
      this.#waitingForRoom = true;
      this.#waitingSinceMs = performance.now();
      this.#options.logger.info(
        { usedBytes: this.#options.queue.usedBytes },
        'queue is full: reading pauses',
      );
      void this.#options.queue.waitForRoom().then(() => {
        this.#waitingForRoom = false;
        this.#resume();
      });
    }
    return false;
  }

  #recordFailed({ kind, name }: Stream, error: unknown): void {
    this.#failedRecords += 1;
    const nowMs = performance.now();
    if (nowMs - this.#failureToldMs < FAILURE_LOG_INTERVAL_MS) return;
    this.#failureToldMs = nowMs;
    const stack = error instanceof Error ? error.stack : String(error);
    this.#options.logger.warn(
      { source: kind, stream: name, failedRecords: this.#failedRecords, stack },
      'a record is lost by an error of the agent',
    );
  }

  /** Between two records, inside of a turn: only size can call for a cut here. */
  #afterRecord(bytes: number): void {
    this.#bytesUnchecked += bytes;
    if (++this.#recordsUnchecked < RECORDS_PER_SIZE_CHECK && this.#bytesUnchecked < this.#bytesPerSizeCheck)
      return;
    this.#recordsUnchecked = 0;
    this.#bytesUnchecked = 0;
    if (this.#isLargeEnough()) this.#cut();
  }

  #isLargeEnough(): boolean {
    const wanted = Math.max(LEAST_BLOCK_RAW_BYTES, this.#blockBytesWanted());
    const isAny = wanted >= TARGET_BLOCK_RAW_BYTES;
    const margin = isAny ? 0 : wanted * MARGIN_FRACTION;
    this.#bytesPerSizeCheck = isAny ? BYTES_PER_SIZE_CHECK : Math.min(BYTES_PER_SIZE_CHECK, margin / 2);
    const most = Math.min(wanted, TARGET_BLOCK_RAW_BYTES) - margin;
    return this.#options.recorder.largestBuilderRawBytes >= most;
  }

  #afterTurn(): void {
    const { recorder } = this.#options;
    if (this.#isLargeEnough()) {
      this.#cut();
      return;
    }
    if (this.#stopping.signal.aborted) return;
    if (recorder.urgentPending) this.#urgentTimer ??= setTimeout(() => this.#due(), this.#urgentCutDelayMs);
    if (recorder.pendingRecords > 0 || this.#sources.some((source) => source.hasCheckpoints)) {
      this.#cutTimer ??= setTimeout(() => this.#due(), this.#maxCutDelayMs);
    }
  }

  /** A record has waited long enough; with too many cuts in the air, the cut is made when one has landed. */
  #due(): void {
    if (this.#cutsInTheAir >= MAX_CUTS_IN_THE_AIR) this.#cutOverdue = true;
    else this.#cut();
  }

  /** Takes everything at this moment and sends it on its way into the queue. */
  #cut(): void {
    this.#clearTimers();
    this.#cutOverdue = false;
    this.#recordsUnchecked = 0;
    const { recorder, queue } = this.#options;
    const blocks = recorder.cut(() => queue.nextPosition(), queue.blockFormat);
    const checkpoints = this.#sources.flatMap((source) => source.takeCheckpoints());
    if (blocks.length === 0 && checkpoints.length === 0) return;
    this.#cutsInTheAir++;
    // Small blocks are for slow links.
    const effort = this.#blockBytesWanted() < TARGET_BLOCK_RAW_BYTES ? 'small' : 'quick';
    const newBlocks = Promise.all(blocks.map((block) => toNewBlock(block, effort)));
    const previous = this.#lastCommit;
    this.#lastCommit = this.#land(previous, newBlocks, checkpoints);
  }

  async #land(
    previous: Promise<void>,
    compressed: Promise<NewBlock[]>,
    checkpoints: readonly CheckpointChange[],
  ): Promise<void> {
    const [blocks] = await Promise.all([compressed, previous]);
    const committed = await this.#commit(blocks, checkpoints);
    for (const block of blocks) releaseMemory(block.payload);
    this.#cutsInTheAir--;
    if (committed && blocks.length > 0) this.#options.onBlocks(blocks.map((block) => block.header));
    if (this.#cutOverdue && !this.#stopping.signal.aborted) this.#due();
    this.#resume();
  }

  #resume(): void {
    for (const source of this.#sources) source.resume();
  }

  /** Tries until it works or the pipeline stops. What is given up then is read again at the next start. */
  async #commit(blocks: readonly NewBlock[], checkpoints: readonly CheckpointChange[]): Promise<boolean> {
    for (;;) {
      // A cut behind one that was given up must not become durable: its positions are behind lines that are not.
      if (this.#abandoned) return false;
      try {
        await this.#options.queue.commitCut(blocks, checkpoints);
        this.#writeFailure = undefined;
        return true;
      } catch (error) {
        const failure = SluiceError.from(error);
        if (this.#writeFailure === undefined) {
          this.#options.logger.warn(
            { code: failure.code, reason: failure.message },
            'queue cannot be written',
          );
        }
        const { code, message, hint = '' } = failure;
        this.#writeFailure = {
          code,
          message,
          hint,
          sinceMs: this.#writeFailure?.sinceMs ?? performance.now(),
        };
        if (this.#stopping.signal.aborted) this.#abandoned = true;
        else await sleep(RETRY_DELAY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  #clearTimers(): void {
    clearTimeout(this.#cutTimer);
    clearTimeout(this.#urgentTimer);
    this.#cutTimer = undefined;
    this.#urgentTimer = undefined;
  }
}

async function toNewBlock(block: SealedRawBlock, effort: CompressionEffort): Promise<NewBlock> {
  const payload = await compressBlock(block, effort);
  releaseMemory(block.raw);
  return { header: withDigest(block.header, payload), payload };
}
