/**
 * Loads one lane of the journal: gathers blocks into a batch, makes the batch durable, inserts it until the store has
 * confirmed it, then forgets it.
 *
 * Invariants:
 * - One insert of the lane at a time, and no insert before its batch is durable with its token: so whatever crashes,
 *   the next attempt has the same content under the same token, and the store applies it once.
 * - A batch leaves the journal only after the store has confirmed it, or, block by block, after the store refused the
 *   block itself; both in one transaction.
 * - A batch is only taken apart after a refusal, which says that nothing of it was applied.
 */
import { SluiceError } from '@sluice/protocol/error';
import { blockKey } from '@sluice/protocol/model';
import type { Journal } from '../journal/journal.ts';
import type { JournalBatch, JournaledBlock, Lane } from '../journal/journal-records.ts';
import { type BatchStore, type FindStoredBlocks, isRefusal } from './batch-store.ts';
import { type LanePolicy, selectBatch } from './lane-policy.ts';

/** Pause after the first failed attempt; doubles up to the lane's `maxRetryMs`. */
export const FIRST_RETRY_MS = 100;
/** An attempt that takes longer is given up and made again: a store under load answers within this or not at all, even the largest batch. */
export const INSERT_TIMEOUT_MS = 120_000;
/**
 * Refusals in a row that are believed. A body that was garbled or cut on its way looks like bad data once, and taking
 * a batch apart that an earlier, unanswered attempt has stored would show its records twice.
 */
export const REFUSALS_TO_BELIEVE = 2;

/**
 * When a batch has been tried for so long, the store is asked whether it has it before each further attempt: it remembers
 * tokens for a bounded number of inserts, and other servers go on inserting.
 */
export const RECHECK_AFTER_MS = 60_000;

/** Why a lane stands still. */
export interface LoaderProblem {
  readonly lane: Lane;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly error: SluiceError;
}

export interface LaneEvents {
  loaded(batch: JournalBatch, insertMs: number): void;
  attemptFailed(problem: LoaderProblem): void;
  setAside(block: JournaledBlock, reason: string): void;
}

export interface LaneOptions {
  readonly journal: Journal;
  readonly store: BatchStore;
  readonly findStored: FindStoredBlocks;
  readonly serverId: string;
  readonly lane: Lane;
  readonly policy: LanePolicy;
  readonly columns: readonly string[];
  /** The body of a batch, always the same for the same batch. */
  readonly bodyOf: (batch: JournalBatch) => Buffer;
  readonly events: LaneEvents;
  readonly insertTimeoutMs: number;
  readonly firstRetryMs: number;
  readonly recheckAfterMs: number;
}

/** What is thrown to leave the loop when the loader stops. */
class Stopped extends Error {}

export class LaneLoader {
  readonly #options: LaneOptions;
  readonly #stop = new AbortController();
  #insert: AbortController | undefined;
  #problem: LoaderProblem | undefined;
  #wake: (() => void) | undefined;
  #waitingRawBytes = 0;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    for (const block of options.journal.waitingBlocks(options.lane)) {
      this.#waitingRawBytes += block.header.rawBytes;
    }
  }

  get problem(): LoaderProblem | undefined {
    return this.#problem;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** A block of this lane became durable. */
  blockAppended(block: JournaledBlock): void {
    this.#waitingRawBytes += block.header.rawBytes;
    this.#wake?.();
  }

  /** Starts nothing new; an insert that is running gets `graceMs` to end. Resolves when the loop has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    const timer = setTimeout(() => this.#insert?.abort(), graceMs);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { journal, lane } = this.#options;
    try {
      for (const batch of journal.openBatches(lane)) await this.#resume(batch);
      for (;;) {
        await this.#gather();
        const blocks = await this.#selectBlocks();
        if (blocks.length > 0) await this.#load(await this.#createBatch(blocks));
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  /** Returns when it is time for the next batch; throws Stopped. */
  async #gather(): Promise<void> {
    const { journal, lane, policy } = this.#options;
    while (journal.waitingBlockCount(lane) === 0) await this.#pause(undefined);
    const dueMs = Math.max(performance.now() + policy.gatherMs, this.#lastStartMs + policy.intervalMs);
    while (this.#waitingRawBytes < policy.fullRawBytes) {
      const leftMs = dueMs - performance.now();
      if (leftMs <= 0) break;
      await this.#pause(leftMs);
    }
    this.#checkStopped();
    this.#lastStartMs = performance.now();
  }

  /** The blocks of the next batch; what another server has brought into the store already is forgotten. */
  async #selectBlocks(): Promise<readonly JournaledBlock[]> {
    const { journal, lane } = this.#options;
    const blocks = selectBatch(journal.waitingBlocks(lane));
    const stored = await this.#stored(blocks.filter((block) => journal.isDoubtful(block)));
    if (stored.size === 0) return blocks;
    const isStored = (block: JournaledBlock): boolean => stored.has(blockKey(block.header.id));
    const batch = await this.#createBatch(blocks.filter(isStored));
    await this.#untilDone(() => journal.finishBatch(batch));
    return blocks.filter((block) => !isStored(block));
  }

  async #stored(blocks: readonly JournaledBlock[]): Promise<ReadonlySet<string>> {
    if (blocks.length === 0) return new Set();
    return await this.#untilDone(() => this.#options.findStored(blocks.map((block) => block.header)));
  }

  async #isStored(batch: JournalBatch): Promise<boolean> {
    const stored = await this.#options.findStored(batch.blocks.map((block) => block.header));
    return stored.size === batch.blocks.length;
  }

  async #createBatch(blocks: readonly JournaledBlock[]): Promise<JournalBatch> {
    const { journal, lane, serverId } = this.#options;
    const batch = await this.#untilDone(() => journal.createBatch(lane, serverId, blocks));
    this.#waitingRawBytes -= rawBytesOf(batch);
    return batch;
  }

  /**
   * A batch of an earlier life, of which nobody knows whether it was applied. Its insert is one part and all or nothing: so
   * when only some of its blocks are in the store, others brought them there, and each block goes its own way.
   */
  async #resume(batch: JournalBatch): Promise<void> {
    const { journal } = this.#options;
    const stored = await this.#stored(batch.blocks);
    if (stored.size === 0) {
      await this.#load(batch);
    } else if (stored.size === batch.blocks.length) {
      await this.#untilDone(() => journal.finishBatch(batch));
    } else {
      for (const part of await this.#untilDone(() => journal.splitBatch(batch))) await this.#resume(part);
    }
  }

  async #load(batch: JournalBatch): Promise<void> {
    const { journal, events } = this.#options;
    const startMs = performance.now();
    let attempts = 0;
    const attempt = async (): Promise<string | undefined> => {
      attempts += 1;
      const isOld = attempts > 1 && performance.now() - startMs >= this.#options.recheckAfterMs;
      return isOld && (await this.#isStored(batch)) ? undefined : await this.#insertOnce(batch);
    };
    let refusal = await this.#untilDone(attempt);
    for (let refusals = 1; refusal !== undefined && refusals < REFUSALS_TO_BELIEVE; refusals += 1) {
      refusal = await this.#untilDone(attempt);
    }
    const insertMs = performance.now() - startMs;
    if (refusal === undefined) {
      await this.#untilDone(() => journal.finishBatch(batch));
      events.loaded(batch, insertMs);
      return;
    }
    if (batch.blocks.length > 1) {
      const parts = await this.#untilDone(() => journal.splitBatch(batch));
      for (const part of parts) await this.#load(part);
      return;
    }
    const reason = refusal;
    await this.#untilDone(() => journal.setAside(batch, reason));
    for (const block of batch.blocks) events.setAside(block, reason);
  }

  /** One attempt. Returns why the data was refused, or undefined when it is in the store; throws to be called again. */
  async #insertOnce(batch: JournalBatch): Promise<string | undefined> {
    const { store, columns, bodyOf, insertTimeoutMs } = this.#options;
    const attempt = new AbortController();
    this.#insert = attempt;
    const timer = setTimeout(() => attempt.abort(), insertTimeoutMs);
    // A store that does not heed the signal must not hold the lane for ever.
    const ended = new Promise<never>((_, reject) => {
      attempt.signal.addEventListener('abort', () => {
        reject(
          new SluiceError('not_reachable', `the store did not confirm an insert in ${insertTimeoutMs} ms`),
        );
      });
    });
    try {
      const request = {
        columns,
        zstdBody: bodyOf(batch),
        deduplicationToken: batch.token,
        signal: attempt.signal,
      };
      await Promise.race([store.insertBlocks(request), ended]);
      return undefined;
    } catch (error) {
      const typed = SluiceError.from(error, 'store_failed');
      if (isRefusal(error) || typed.code === 'state_corrupt') return typed.message;
      throw typed;
    } finally {
      clearTimeout(timer);
      this.#insert = undefined;
    }
  }

  /** Calls `action` until it succeeds, with growing pauses; throws Stopped. */
  async #untilDone<T>(action: () => Promise<T>): Promise<T> {
    const { lane, policy, firstRetryMs, events } = this.#options;
    let retryMs = firstRetryMs;
    for (;;) {
      try {
        const result = await action();
        this.#problem = undefined;
        return result;
      } catch (error) {
        this.#problem = {
          lane,
          sinceMs: this.#problem?.sinceMs ?? Date.now(),
          attempts: (this.#problem?.attempts ?? 0) + 1,
          error: SluiceError.from(error, 'store_failed'),
        };
        events.attemptFailed(this.#problem);
      }
      const untilMs = performance.now() + retryMs;
      for (let leftMs = retryMs; leftMs > 0; leftMs = untilMs - performance.now()) await this.#pause(leftMs);
      retryMs = Math.min(retryMs * 2, policy.maxRetryMs);
    }
  }

  /** Until a block arrives, the loader stops, or the time is over; throws Stopped. */
  async #pause(timeoutMs: number | undefined): Promise<void> {
    this.#checkStopped();
    await new Promise<void>((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    this.#checkStopped();
  }

  #checkStopped(): void {
    if (this.#stop.signal.aborted) throw new Stopped();
  }
}

/** For logs: what a batch is. */
export function describeBatch(batch: JournalBatch): string {
  const first = batch.blocks[0];
  return `${batch.token} (${batch.blocks.length} blocks${first === undefined ? '' : `, first ${blockKey(first.header.id)}`})`;
}

function rawBytesOf(batch: JournalBatch): number {
  let rawBytes = 0;
  for (const block of batch.blocks) rawBytes += block.header.rawBytes;
  return rawBytes;
}
