/**
 * Loads one lane of the journal: gathers blocks into a batch, makes the batch durable, inserts it until the store has
 * confirmed it, then forgets it.
 *
 * Invariants:
 * - One insert of the lane at a time, and no insert before its batch is durable with its token: so whatever crashes,
 *   the next attempt has the same content under the same token, and the store applies it once.
 * - A batch leaves the journal only after the store has confirmed it, or, block by block, after the store refused the
 *   block itself; both in one transaction.
 * - A batch is only taken apart after a refusal; after one that says nothing of what was applied, the store is asked.
 * - A block that the store refuses holds up no other; it is set aside only when the store takes others.
 * - A block that came marked is inserted only while the store hides this server's copy of it, and shown after (U14).
 */
import { SluiceError } from '@sluice/base/error';
import { blockKey } from '@sluice/protocol/model';
import type { Journal } from '../journal/journal.ts';
import type { JournalBatch, JournaledBlock, Lane } from '../journal/journal-records.ts';
import { BatchInserter, type BatchInserterOptions } from './batch-inserter.ts';
import type { Refusal } from './batch-store.ts';
import { DoubtedBatches } from './doubted-batches.ts';
import { columnBytesOf, INTERVAL_PER_INSERT, type LanePolicy, selectBatch } from './lane-policy.ts';
import { SETTLE_AFTER_MS } from './moved-decisions.ts';
import { copiesOf, MovedGate, type OtherServers } from './moved-gate.ts';
import { type LoaderProblem, Retrying, stopping } from './retrying.ts';

/** Pause after the first failed attempt; doubles up to the lane's `maxRetryMs`. */
export const FIRST_RETRY_MS = 100;
/** An attempt that takes longer is given up and made again: a store under load answers within this or not at all, even the largest batch. */
export const INSERT_TIMEOUT_MS = 120_000;
/**
 * Refusals in a row that are believed. A body that was garbled or cut on its way looks like bad data once, and taking
 * a batch apart that an earlier, unanswered attempt has stored would show its records twice.
 */
const REFUSALS_TO_BELIEVE = 2;
/** Of refusals that may be the store's own fault: with the growing pauses between them, what passes by itself is over. */
const DOUBTFUL_REFUSALS_TO_BELIEVE = 5;

/**
 * When a batch has been tried for this long, the store is asked whether it has it before each further attempt: it remembers
 * tokens for a bounded number of inserts, and other servers go on inserting.
 */
export const RECHECK_AFTER_MS = 60_000;
/**
 * A block that lay here for longer may have been moved to another server so long ago that nothing hides a second copy any
 * more (SETTLE_AFTER_MS of moved-decisions.ts, of which this is half): the store is asked before it is loaded, and once
 * more after an insert that took so long.
 */
const OLD_AFTER_MS: number = SETTLE_AFTER_MS / 2;

export interface LaneEvents {
  loaded(batch: JournalBatch, insertMs: number): void;
  attemptFailed(problem: LoaderProblem): void;
  setAside(block: JournaledBlock, reason: string): void;
}

export interface LaneOptions extends BatchInserterOptions {
  readonly journal: Journal;
  /** Left out, no other server is thought of. */
  readonly others?: OtherServers;
  readonly serverId: string;
  readonly lane: Lane;
  readonly policy: LanePolicy;
  readonly events: LaneEvents;
  readonly firstRetryMs: number;
  readonly recheckAfterMs: number;
}

export class LaneLoader {
  readonly #options: LaneOptions;
  readonly #stop = new AbortController();
  readonly #inserter: BatchInserter;
  readonly #retrying: Retrying;
  readonly #gate: MovedGate | undefined;
  readonly #doubted: DoubtedBatches;
  #wake: (() => void) | undefined;
  /** Of the blocks that may be loaded. */
  #waitingRawBytes = 0;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  #lastInsertMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#inserter = new BatchInserter(options);
    const { journal, others, serverId, lane, events } = options;
    this.#retrying = new Retrying({
      ...{ lane, signal: this.#stop.signal, firstRetryMs: options.firstRetryMs },
      maxRetryMs: options.policy.maxRetryMs,
      attemptFailed: (problem) => events.attemptFailed(problem),
    });
    this.#doubted = new DoubtedBatches({
      confirmations: () => options.confirmed.inserts,
      attempt: (batch) => this.#retryDoubted(batch),
      setAside: (batch, reason) => this.#setAside(batch, reason),
    });
    if (others === undefined) return;
    const onPassed = (block: JournaledBlock): void => this.#mayLoad(block);
    this.#gate = new MovedGate({ journal, others, serverId, lane, retrying: this.#retrying, onPassed });
  }

  get problem(): LoaderProblem | undefined {
    return this.#retrying.problem ?? this.#doubted.problem;
  }

  start(): void {
    if (this.#running !== undefined) return;
    for (const block of this.#options.journal.waitingBlocks(this.#options.lane)) this.blockAppended(block);
    this.#running = this.#run();
  }

  /** A block of this lane became durable. */
  blockAppended(block: JournaledBlock): void {
    if (this.#gate !== undefined && isMarked(block)) this.#gate.add(block);
    else this.#mayLoad(block);
  }

  #mayLoad(block: JournaledBlock): void {
    this.#waitingRawBytes += columnBytesOf(block);
    this.#wake?.();
  }

  /** Starts nothing new; an insert that is running gets `graceMs` to end. Resolves when the loop has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    const timer = setTimeout(() => this.#inserter.abort(), graceMs);
    await this.#running;
    await this.#gate?.stop();
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
        await this.#doubted.retry();
      }
    } catch (error) {
      if (!SluiceError.is(error, 'stopping')) throw error;
    }
  }

  /** Whether a block waits that the gate does not hold. */
  get #hasLoadable(): boolean {
    const { journal, lane } = this.#options;
    for (const block of journal.waitingBlocks(lane)) if (!this.#isHeld(block)) return true;
    return false;
  }

  #isHeld(block: JournaledBlock): boolean {
    return this.#gate?.holds(block) ?? false;
  }

  /** Returns when it is time for the next batch; throws SluiceError `stopping`. */
  async #gather(): Promise<void> {
    const { policy } = this.#options;
    if (!this.#hasLoadable && !this.#doubted.isEmpty) return await this.#pause(policy.maxRetryMs);
    while (!this.#hasLoadable) await this.#pause(undefined);
    const intervalMs = Math.min(this.#lastInsertMs * INTERVAL_PER_INSERT, policy.maxIntervalMs);
    const dueMs = Math.max(
      performance.now() + policy.gatherMs,
      this.#lastStartMs + Math.max(intervalMs, policy.intervalMs),
    );
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
    const blocks = selectBatch(journal.waitingBlocks(lane), (block) => !this.#isHeld(block));
    const stored = await this.#stored(blocks.filter((block) => this.#isOld(block)));
    if (stored.size === 0) return blocks;
    const isStored = (block: JournaledBlock): boolean => stored.has(blockKey(block.header.id));
    const batch = await this.#createBatch(blocks.filter(isStored));
    await this.#untilDone(() => journal.finishBatch(batch));
    for (const block of batch.blocks) if (block.isUnsure === true) journal.cameAgain(block);
    return blocks.filter((block) => !isStored(block));
  }

  /**
   * It may have been moved away, and loaded elsewhere, so long ago that nothing would hide its second copy; or it was loaded
   * so long ago that this server has forgotten it, and its agent has gone back to an earlier state.
   */
  #isOld(block: JournaledBlock): boolean {
    if (isMarked(block)) return false;
    if (block.isUnsure === true || this.#options.journal.isOfEarlierLife(block)) return true;
    return Date.now() - block.receivedMs >= OLD_AFTER_MS;
  }

  async #stored(blocks: readonly JournaledBlock[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { others } = this.#options;
    if (blocks.length === 0 || others === undefined) return new Map();
    return await this.#untilDone(() => others.findStored(blocks.map((block) => block.header)));
  }

  async #createBatch(blocks: readonly JournaledBlock[]): Promise<JournalBatch> {
    const { journal, lane, serverId } = this.#options;
    const batch = await this.#untilDone(() => journal.createBatch(lane, serverId, blocks));
    this.#waitingRawBytes -= rawBytesOf(batch);
    return batch;
  }

  /** A batch of an earlier life, of which nobody knows whether it was applied. */
  async #resume(batch: JournalBatch): Promise<void> {
    const left = await this.#leftToInsert(batch);
    if (left === undefined) await this.#finish(batch);
    else await this.#load(batch, left);
  }

  /**
   * What of a batch that was tried before must still be inserted; undefined when all is there. That is not what came
   * unmarked and was loaded by another server since. It goes under the token of the batch even so: if the earlier attempt was
   * applied after all, or still will be, the store takes only one of the two.
   */
  async #leftToInsert(batch: JournalBatch): Promise<JournalBatch | undefined> {
    const marked = batch.blocks.filter(isMarked);
    const judged = marked.length === 0 ? undefined : await this.#gate?.hold(marked, batch.serverId);
    const stored = await this.#stored(batch.blocks);
    const serversOf = (block: JournaledBlock): readonly string[] =>
      stored.get(blockKey(block.header.id)) ?? [];
    const isOwn = (block: JournaledBlock): boolean => serversOf(block).includes(batch.serverId);
    const isMissing = (block: JournaledBlock): boolean => {
      if (isOwn(block)) return false;
      // The own copy of a marked block is hidden until it is there, so it may always come.
      if (isMarked(block)) return !(judged?.has(blockKey(block.header.id)) ?? false);
      return serversOf(block).length === 0;
    };
    if (!batch.blocks.some(isMissing)) return undefined;
    const blocks = batch.blocks.filter((block) => isOwn(block) || isMissing(block));
    return blocks.length === batch.blocks.length ? batch : { ...batch, blocks };
  }

  /** Loads `batch`, of which `left` is to be inserted. */
  async #load(batch: JournalBatch, left: JournalBatch = batch): Promise<void> {
    const { events, others } = this.#options;
    const startMs = performance.now();
    let attempts = 0;
    let content: JournalBatch | undefined = left;
    let doubts = 0;
    const attempt = async (): Promise<Refusal | undefined> => {
      attempts += 1;
      const isOld = attempts > 1 && performance.now() - startMs >= this.#options.recheckAfterMs;
      if (isOld && others !== undefined) content = await this.#leftToInsert(batch);
      const refused = content === undefined ? undefined : await this.#inserter.insert(content);
      if (refused !== undefined && !refused.isCertain) {
        doubts += 1;
        if (doubts < DOUBTFUL_REFUSALS_TO_BELIEVE) throw new SluiceError('insert_refused', refused.reason);
      }
      return refused;
    };
    let refusal = await this.#untilDone(attempt);
    for (let refusals = 1; refusal?.isCertain === true && refusals < REFUSALS_TO_BELIEVE; refusals += 1) {
      refusal = await this.#untilDone(attempt);
    }
    const insertMs = performance.now() - startMs;
    this.#lastInsertMs = insertMs;
    if (refusal === undefined) {
      if (content !== batch || insertMs >= OLD_AFTER_MS) await this.#removeSecondCopies(batch);
      await this.#finish(batch);
      events.loaded(batch, insertMs);
    } else if (batch.blocks.length > 1) {
      const parts = await this.#untilDone(() => this.#options.journal.splitBatch(batch));
      const isWhole = refusal.isCertain && content === batch;
      for (const part of parts) await (isWhole ? this.#load(part) : this.#resume(part));
    } else if (refusal.isCertain) {
      await this.#setAside(batch, refusal.reason);
    } else {
      this.#doubted.add(batch, refusal.reason);
    }
  }

  /** One attempt of a batch that was refused before. */
  async #retryDoubted(batch: JournalBatch): Promise<Refusal | undefined> {
    const left = await this.#leftToInsert(batch);
    const refusal = left === undefined ? undefined : await this.#inserter.insert(left);
    if (refusal !== undefined) return refusal;
    await this.#finish(batch);
    this.#options.events.loaded(batch, this.#lastInsertMs);
    return undefined;
  }

  /** The store has all blocks of the batch, this server's copies of the marked ones too. */
  async #finish(batch: JournalBatch): Promise<void> {
    const { journal, others } = this.#options;
    const marked = copiesOf(batch.blocks.filter(isMarked), batch.serverId);
    // Before the journal forgets them: until this is written nobody sees them.
    if (marked.length > 0) await this.#untilDone(async () => await others?.moved.write(marked, 'kept'));
    await this.#untilDone(() => journal.finishBatch(batch));
  }

  async #setAside(batch: JournalBatch, reason: string): Promise<void> {
    const { journal, others, events } = this.#options;
    const marked = copiesOf(batch.blocks.filter(isMarked), batch.serverId);
    if (marked.length > 0) await this.#untilDone(async () => await others?.moved.write(marked, 'settled'));
    await this.#untilDone(() => journal.setAside(batch, reason));
    for (const block of batch.blocks) events.setAside(block, reason);
  }

  /**
   * An earlier attempt may have brought in unmarked blocks that another server had brought in too, after everything that
   * would hide one of the copies was gone: this server's goes.
   */
  async #removeSecondCopies(batch: JournalBatch): Promise<void> {
    const { others } = this.#options;
    const unmarked = batch.blocks.filter((block) => !isMarked(block));
    const stored = await this.#stored(unmarked);
    const second = unmarked.filter((block) => {
      const servers = stored.get(blockKey(block.header.id)) ?? [];
      return servers.length > 1 && servers.includes(batch.serverId);
    });
    if (second.length === 0 || others === undefined) return;
    // Read after the copies were looked for: what is there and may still be hidden has a row. The reconciler sees to it once it
    // is shown; deleted now, ours would leave nothing to be seen for a while.
    const live = await this.#untilDone(() => others.moved.read());
    const withRow = new Set(live.map(({ id }) => blockKey(id)));
    const unhidden = second.filter(({ header: { id } }) => !withRow.has(blockKey(id)));
    if (unhidden.length === 0) return;
    await this.#untilDone(() => others.moved.deleteCopies(copiesOf(unhidden, batch.serverId)));
  }

  #untilDone<T>(action: () => Promise<T>): Promise<T> {
    return this.#retrying.untilDone(action);
  }

  /** Until a block arrives, the loader stops, or the time is over; throws SluiceError `stopping`. */
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
    if (this.#stop.signal.aborted) throw stopping();
  }
}

/** True when another server may have the block too. */
function isMarked(block: JournaledBlock): boolean {
  return block.inDoubtAt !== undefined;
}

/** For logs: what a batch is. */
export function describeBatch(batch: JournalBatch): string {
  const first = batch.blocks[0];
  return `${batch.token} (${batch.blocks.length} blocks${first === undefined ? '' : `, first ${blockKey(first.header.id)}`})`;
}

function rawBytesOf(batch: JournalBatch): number {
  let rawBytes = 0;
  for (const block of batch.blocks) rawBytes += columnBytesOf(block);
  return rawBytes;
}
