/**
 * The server's durable journal: what was accepted and is not yet in the store.
 *
 * Invariants:
 * - `append` resolves only after a commit that holds the block was synced to disk: it then survives `kill -9` and a
 *   power cut (the commit of LMDB ends in a sync; nothing is acknowledged from a commit that is visible only).
 * - A block is journaled at most once, whatever arrives twice, as long as it is held or its digest is remembered
 *   (known-blocks.ts); the memory is written in the same transaction as the block. What comes later is journaled as
 *   `isUnsure`, and the store is asked for it.
 * - Nothing is taken for a block that was accepted but this very content.
 * - A batch is an immutable list of blocks with a token that no other batch of any journal ever had. A block is a
 *   member of at most one batch. A batch goes away together with its blocks, or into its parts, in one transaction.
 * - After an error of the disk the journal stays usable: nothing of the failed commit was written.
 * - One process per directory.
 */

import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { digestProblem } from '@sluice/block/digest';
import { type DirectoryLock, lockDirectory } from '@sluice/durable/directory-lock';
import { DiskSpace } from '@sluice/durable/disk-space';
import type { Loss, LossTotals } from '@sluice/durable/durable-mark';
import type { FoundDamage } from '@sluice/durable/lmdb/damage-latch';
import { type AgentId, type BlockHeader, type BlockId, blockKey, urgencyRank } from '@sluice/protocol/model';
import type { AcceptedBlock } from './accepted-block.ts';
import { ConflictBook, type ConflictCounts } from './conflict-book.ts';
import { GroupCommit } from './group-commit.ts';
import { costOf, HeldBlocks, type HeldOfAgent, type LaneStatistics } from './held-blocks.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { JournalMarkKeeper } from './journal-mark.ts';
import {
  checkAgentId,
  type JournalBatch,
  type JournaledBlock,
  LANES,
  type Lane,
  LOWEST_LANE,
  type SetAsideBlock,
} from './journal-records.ts';
import { JournalStore } from './journal-store.ts';
import { KnownBlocks, type Recognition } from './known-blocks.ts';
import { KnownChanges } from './known-changes.ts';
import { SetAsideShelf } from './set-aside.ts';

/** Raw bytes that a journal holds by default: minutes of a busy server, and a bound on what a restart must load. */
const DEFAULT_MAX_RAW_BYTES: number = 512 * 1024 * 1024;
/**
 * Beyond `maxRawBytes` by this factor an append is refused. Granted data is always taken, and grants never pass the
 * room; this bound is only ever met by a peer that breaks the rules.
 */
const MAX_OVERFILL_FACTOR = 2;
/** Two starts of one journal in four billion draw the same, and they are not neighbours. */
const RUN_BYTES = 4;
const CHECK_DISK = 'Check the disk of the data directory; the block is set aside.';

export interface JournalOptions {
  readonly directory: string;
  /** Default {@link DEFAULT_MAX_RAW_BYTES}. */
  readonly maxRawBytes?: number;
  /** How many chunks of known blocks are kept; default in known-blocks.ts. */
  readonly maxKnownChunks?: number;
}

export interface JournalStatistics {
  readonly lanes: readonly LaneStatistics[];
  readonly heldRawBytes: number;
  readonly roomBytes: number;
  readonly writingBlocks: number;
  readonly setAsideBlocks: number;
  /** Blocks that were dropped from the shelf because too many were kept, since the start. */
  readonly setAsideDroppedTotal: number;
  /** What was accepted and is lost, and nobody has acknowledged, the oldest first; bounded. */
  readonly losses: readonly Loss[];
  /** Of all of them. */
  readonly lossTotals: LossTotals;
  readonly knownAgents: number;
  readonly knownChunks: number;
  /** Agents of which blocks came again, or in conflict with others; bounded. */
  readonly conflicts: readonly ConflictCounts[];
  readonly commits: number;
  readonly committedWrites: number;
  /** Sum of the time that all commits took. */
  readonly commitMs: number;
}

export interface JournalListener {
  /** The room is now this many raw bytes. */
  onRoomChanged?(roomBytes: number): void;
  /** A block is durable and waits to be loaded. */
  onAppended?(block: JournaledBlock): void;
}

export class Journal {
  /** Names this journal; drawn when it was created. */
  readonly instanceId: string;
  readonly maxRawBytes: number;
  readonly #lock: DirectoryLock;
  readonly #store: JournalStore;
  readonly #known: KnownBlocks;
  readonly #group: GroupCommit;
  /** Appends whose commit is not yet synced, by block key. */
  readonly #writing = new Map<string, Promise<void>>();
  readonly #held = new HeldBlocks();
  readonly #setAside = new SetAsideShelf();
  readonly #conflicts = new ConflictBook();
  readonly #listeners = new Set<JournalListener>();
  #dirty = new KnownChanges();
  readonly #space: DiskSpace;
  #nextBlock = 1;
  /** Blocks with a smaller number are of an earlier life. */
  #firstNewBlock = 1;
  #nextBatch = 1;
  /** Drawn at each start. */
  readonly #run = randomBytes(RUN_BYTES).toString('hex');
  #costBytes = 0;
  #commits = 0;
  #committedWrites = 0;
  #commitMs = 0;
  #setAsideDropped = 0;
  readonly #mark: JournalMarkKeeper;
  #closed = false;

  private constructor(options: JournalOptions, lock: DirectoryLock, store: JournalStore) {
    this.#lock = lock;
    this.#space = new DiskSpace({
      what: 'the journal',
      file: path.join(options.directory, JOURNAL_FILE_NAME),
      heldBytes: () => this.#held.payloadBytes + this.#setAside.payloadBytes,
      onChanged: () => this.#tellRoom(),
    });
    this.#store = store;
    this.maxRawBytes = options.maxRawBytes ?? DEFAULT_MAX_RAW_BYTES;
    this.instanceId = store.instanceId;
    this.#known = new KnownBlocks(defined({ maxChunks: options.maxKnownChunks }));
    this.#restore();
    this.#mark = new JournalMarkKeeper(store.mark, () => this.#heldBlocks);
    this.#group = new GroupCommit(
      (writes) => this.#commit(writes),
      (durationMs, writeCount) => {
        this.#commits += 1;
        this.#committedWrites += writeCount;
        this.#commitMs += durationMs;
        this.#mark.changed();
      },
    );
  }

  /**
   * Opens the journal in `directory`, creating it when there is none.
   * Throws SluiceError `already_running`, `state_newer`, `state_corrupt`, or `disk_full`.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const lock = lockDirectory(options.directory, [JOURNAL_FILE_NAME]);
    let store: JournalStore | undefined;
    try {
      const maxRawBytes = options.maxRawBytes ?? DEFAULT_MAX_RAW_BYTES;
      store = await JournalStore.open(options.directory, maxRawBytes);
      return new Journal(options, lock, store);
    } catch (error) {
      await store?.close();
      lock.release();
      throw error;
    }
  }

  /** Raw bytes that may still come, beyond what is held and being written. Never negative. */
  get roomBytes(): number {
    // What cannot be written must not be granted.
    return this.#space.isFull || this.damage !== undefined
      ? 0
      : Math.max(0, this.maxRawBytes - this.#costBytes);
  }

  /** What LMDB found wrong with the file while it was open; nothing can be read or written since then. */
  get damage(): FoundDamage | undefined {
    return this.#store.damage;
  }

  /** Whether the latest block found no space on the disk. */
  get isDiskFull(): boolean {
    return this.#space.isFull;
  }

  /** What is not in the store yet, by lane and agent. Goes over all blocks: for people to look at. */
  heldByAgent(): HeldOfAgent[] {
    return this.#held.byAgent();
  }

  get statistics(): JournalStatistics {
    const lanes = this.#held.laneStatistics;
    return {
      lanes,
      heldRawBytes: lanes.reduce((sum, totals) => sum + totals.rawBytes, 0),
      roomBytes: this.roomBytes,
      writingBlocks: this.#writing.size,
      setAsideBlocks: this.#setAside.size,
      setAsideDroppedTotal: this.#setAsideDropped,
      losses: this.#mark.losses,
      lossTotals: this.#mark.lossTotals,
      knownAgents: this.#known.agentCount,
      knownChunks: this.#known.chunkCount,
      conflicts: this.#conflicts.list(),
      commits: this.#commits,
      committedWrites: this.#committedWrites,
      commitMs: this.#commitMs,
    };
  }

  /** Calls `listener` on each change from now on; returns what ends that. */
  listen(listener: JournalListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` after the room changed; returns what ends that. */
  onRoomChanged(listener: (roomBytes: number) => void): () => void {
    return this.listen({ onRoomChanged: listener });
  }

  /** True when the block lay here while this server was away, and its agent may have sent it to another one meanwhile. */
  isOfEarlierLife(block: JournaledBlock): boolean {
    return block.number < this.#firstNewBlock;
  }

  /** True when the block is durable here, or was and its digest is remembered. Never true while it is written. */
  knows(id: BlockId): boolean {
    return !this.#writing.has(blockKey(id)) && (this.#known.has(id) || this.#held.has(id));
  }

  /** The store had the block already (it was `isUnsure`): it came again, and was not inserted again. */
  cameAgain(block: JournaledBlock): void {
    this.#conflicts.repeated(block.header, Date.now());
  }

  /**
   * Takes a block. Resolves when it is durable; at once when it already was; a block that is being written already is
   * not written again, the promise is that of the first. Rejects with SluiceError `disk_full` when there is no space
   * left (nothing of it is kept, the journal stays usable), `limit_exceeded`, or `internal`.
   */
  append(block: AcceptedBlock): Promise<void> {
    const key = blockKey(block.header.id);
    const writing = this.#writing.get(key);
    if (writing !== undefined) return writing;
    if (this.knows(block.header.id)) return Promise.resolve();
    const promise = this.#append(block, key);
    this.#writing.set(key, promise);
    return promise;
  }

  async #append(block: AcceptedBlock, key: string): Promise<void> {
    const { header, payload } = block;
    const costBytes = costOf(header);
    const lane = laneOf(header);
    try {
      this.#checkOpen();
      checkAgentId(header.id.agentId);
      if (this.#costBytes + costBytes > this.maxRawBytes * MAX_OVERFILL_FACTOR) {
        throw new SluiceError(
          'limit_exceeded',
          `the journal holds ${this.#costBytes} bytes and takes no more`,
          {
            hint: 'Blocks must be sent within the quota that was granted.',
          },
        );
      }
      this.#space.reserve(payload.length);
    } catch (error) {
      // `append` has to note the promise before it may be taken out again.
      await Promise.resolve();
      this.#writing.delete(key);
      throw error;
    }
    const number = this.#nextBlock++;
    const sealedBefore = block.sealedBefore ?? 0;
    let taken = taking(block, lane, number, 'new');
    this.#changeCost(costBytes);
    try {
      await this.#group.submit({
        rank: lane,
        bytes: payload.length,
        apply: () => {
          taken = taking(block, lane, number, this.#known.recognize(header.id, sealedBefore));
          const { agent, chunk } = this.#known.add(header.id, block.receivedMs, sealedBefore);
          this.#dirty.touch(agent, chunk);
          for (const forgotten of this.#known.trim(agent, chunk)) this.#dirty.forget(forgotten);
          this.#store.putBlock(taken.journaled, payload);
        },
        revert: () => this.#known.remove(header.id),
      });
    } catch (error) {
      this.#writing.delete(key);
      this.#changeCost(-costBytes);
      throw error;
    } finally {
      this.#space.written(payload.length);
    }
    this.#writing.delete(key);
    const { journaled, recognition } = taken;
    if (recognition === 'conflict') this.#conflicts.conflicted(header, block.receivedMs);
    this.#held.add(journaled);
    for (const listener of this.#listeners) listener.onAppended?.(journaled);
  }

  /**
   * The agent holds no block of (agent, epoch) with a smaller sequence: their digests may be forgotten. Durable with the next
   * commit.
   */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): void {
    const forgotten = this.#known.settleBelow(agentId, epoch, sequence);
    if (forgotten === undefined) return;
    this.#dirty.agents.add(forgotten.agent);
    this.#dirty.forget(forgotten);
  }

  /** Blocks of the lane that wait and are in no batch, the oldest first. */
  waitingBlocks(lane: Lane): Iterable<JournaledBlock> {
    return this.#held.waiting(lane);
  }

  /** Batches of the lane that have not been confirmed, the oldest first. */
  openBatches(lane: Lane): readonly JournalBatch[] {
    return this.#held.batches(lane);
  }

  /** The payload as it arrived, a copy. Throws `state_corrupt` when the disk lost or changed it. */
  readPayload(block: JournaledBlock): Buffer {
    const payload = this.#store.readPayload(block);
    const problem = digestProblem(block.header, payload);
    if (problem !== undefined) throw new SluiceError('state_corrupt', problem, { hint: CHECK_DISK });
    return payload;
  }

  /** Makes a batch of waiting blocks of one lane durable, with a token of its own. */
  async createBatch(lane: Lane, serverId: string, blocks: readonly JournaledBlock[]): Promise<JournalBatch> {
    this.#checkOpen();
    this.#held.take(lane, blocks);
    const batch = this.#newBatch(lane, serverId, blocks);
    try {
      await this.#submit(lane, () => this.#store.putBatch(batch, this.#nextBatch));
    } catch (error) {
      this.#held.giveBack(lane, blocks);
      throw error;
    }
    this.#held.addBatch(batch);
    return batch;
  }

  /** Replaces a batch of several blocks by two of a half of them each, with new tokens. */
  async splitBatch(batch: JournalBatch): Promise<readonly JournalBatch[]> {
    this.#checkOpen();
    const half = Math.ceil(batch.blocks.length / 2);
    const parts = [batch.blocks.slice(0, half), batch.blocks.slice(half)].map((blocks) =>
      this.#newBatch(batch.lane, batch.serverId, blocks),
    );
    await this.#submit(batch.lane, () => {
      this.#store.removeBatch(batch);
      for (const part of parts) this.#store.putBatch(part, this.#nextBatch);
    });
    this.#held.replaceBatch(batch, parts);
    return parts;
  }

  /** The store has the batch: forgets it and its blocks (they stay known). */
  async finishBatch(batch: JournalBatch): Promise<void> {
    this.#checkOpen();
    await this.#submit(batch.lane, () => {
      this.#store.removeBatch(batch);
      for (const block of batch.blocks) this.#store.removeBlock(block);
    });
    this.#changeCost(-this.#held.release(batch));
  }

  /** The store refuses the blocks of the batch for good: keeps them aside, bounded, out of the way. */
  async setAside(batch: JournalBatch, reason: string): Promise<void> {
    this.#checkOpen();
    let evicted: readonly SetAsideBlock[] = [];
    await this.#group.submit({
      rank: batch.lane,
      bytes: 0,
      apply: () => {
        this.#store.removeBatch(batch);
        for (const block of batch.blocks) {
          this.#store.moveAside(block, reason);
          this.#setAside.put({ ...block, reason });
        }
        evicted = this.#setAside.evict();
        for (const block of evicted) this.#store.removeSetAside(block);
      },
      revert: () => {
        for (const block of batch.blocks) this.#setAside.drop(block);
        for (const block of evicted) this.#setAside.put(block);
      },
    });
    this.#setAsideDropped += evicted.length;
    this.#changeCost(-this.#held.release(batch));
  }

  /** What the store refused, the oldest first. */
  setAsideBlocks(): readonly SetAsideBlock[] {
    return this.#setAside.blocks();
  }

  /** Puts blocks that were set aside back among those that wait. Returns how many of the numbers name one. */
  async retrySetAside(numbers: readonly number[]): Promise<number> {
    this.#checkOpen();
    const blocks = this.#takeSetAside(numbers);
    await this.#changeSetAside(blocks, (block) => this.#store.moveBack(block));
    for (const { reason: _reason, ...block } of blocks) {
      this.#changeCost(costOf(block.header));
      this.#held.add(block);
      for (const listener of this.#listeners) listener.onAppended?.(block);
    }
    return blocks.length;
  }

  /** Deletes blocks that were set aside. Returns how many of the numbers name one. */
  async dropSetAside(numbers: readonly number[]): Promise<number> {
    this.#checkOpen();
    const blocks = this.#takeSetAside(numbers);
    await this.#changeSetAside(blocks, (block) => this.#store.removeSetAside(block));
    return blocks.length;
  }

  /** Off the shelf at once: two that ask for the same block do not both get it. */
  #takeSetAside(numbers: readonly number[]): SetAsideBlock[] {
    const wanted = new Set(numbers);
    const blocks = this.#setAside.blocks().filter(({ number }) => wanted.has(number));
    for (const block of blocks) this.#setAside.drop(block);
    return blocks;
  }

  async #changeSetAside(
    blocks: readonly SetAsideBlock[],
    change: (block: SetAsideBlock) => void,
  ): Promise<void> {
    if (blocks.length === 0) return;
    await this.#group.submit({
      rank: LOWEST_LANE,
      bytes: 0,
      apply: () => {
        for (const block of blocks) change(block);
      },
      revert: () => {
        for (const block of blocks) this.#setAside.put(block);
      },
    });
  }

  /** A person knows what was lost: it is not told any more. @throws SluiceError `disk_full` */
  acknowledgeLosses(): void {
    this.#mark.acknowledgeLosses();
  }

  /** Waits for what is being written, then closes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#space.stop();
    await this.#group.idle();
    // An empty write takes along what only waits for the next commit.
    if (!this.#dirty.isEmpty && this.damage === undefined) await this.#submit(0);
    await this.#store.close();
    this.#mark.ended();
    this.#lock.release();
    this.#listeners.clear();
  }

  #submit(lane: Lane, apply: () => void = nothing): Promise<void> {
    return this.#group.submit({ rank: lane, bytes: 0, apply });
  }

  /** One transaction: the writes, and what they changed of the known blocks. */
  async #commit(writes: () => void): Promise<void> {
    let dirty = this.#dirty;
    try {
      await this.#store.transaction(() => {
        writes();
        dirty = this.#dirty;
        this.#dirty = new KnownChanges();
        for (const forgotten of dirty.forgotten) this.#store.forget(forgotten);
        for (const agent of dirty.agents) this.#store.putAgent(agent);
        for (const [agent, chunks] of dirty.chunks) {
          for (const chunk of chunks) this.#store.putChunk(agent, chunk);
        }
      });
    } catch (error) {
      if (dirty !== this.#dirty) this.#dirty.takeOver(dirty);
      if (this.damage !== undefined) this.#tellRoom();
      throw error;
    }
  }

  #restore(): void {
    const blocks = [...this.#store.blocks()];
    for (const block of blocks) {
      this.#costBytes += costOf(block.header);
      this.#nextBlock = Math.max(this.#nextBlock, block.number + 1);
    }
    this.#held.restore(blocks, this.#store.batches());
    for (const block of this.#store.setAsideBlocks()) {
      this.#setAside.put(block);
      this.#nextBlock = Math.max(this.#nextBlock, block.number + 1);
    }
    this.#firstNewBlock = this.#nextBlock;
    // The number that is stored may be older than the batches.
    const highest = LANES.flatMap((lane) => this.#held.batches(lane)).map(({ number }) => number);
    this.#nextBatch = Math.max(this.#store.nextBatch, 1 + Math.max(0, ...highest));
    for (const agent of this.#store.knownAgents()) this.#known.restore(agent);
  }

  #newBatch(lane: Lane, serverId: string, blocks: readonly JournaledBlock[]): JournalBatch {
    const number = this.#nextBatch++;
    // The instance keeps apart two journals of one server id, say after the directory was lost and begun anew; the run, two
    // lives of one, since a page of the file that went back to an earlier state names an earlier number.
    const token = `${serverId}/${lane}/${number}/${this.instanceId}/${this.#run}`;
    return { lane, number, token, serverId, blocks };
  }

  get #heldBlocks(): number {
    return this.#held.laneStatistics.reduce((sum, { blockCount }) => sum + blockCount, this.#setAside.size);
  }

  #changeCost(bytes: number): void {
    const before = this.roomBytes;
    this.#costBytes += bytes;
    if (before !== this.roomBytes) this.#tellRoom();
  }

  #tellRoom(): void {
    for (const listener of this.#listeners) listener.onRoomChanged?.(this.roomBytes);
  }

  #checkOpen(): void {
    if (this.#closed) throw new SluiceError('internal', 'the journal is closed');
  }
}

/** A block as it is journaled, by what is known of it. */
function taking(
  { header, payload, priority, receivedMs, inDoubtAt }: AcceptedBlock,
  lane: Lane,
  number: number,
  recognition: Recognition,
): { readonly journaled: JournaledBlock; readonly recognition: Recognition } {
  const journaled = {
    ...{ lane, number, header, priority, receivedMs, payloadBytes: payload.length },
    ...defined({ inDoubtAt }),
    ...(recognition === 'unsure' ? { isUnsure: true } : {}),
  };
  return { journaled, recognition };
}

function nothing(): void {
  // A write without content.
}

function laneOf(header: BlockHeader): Lane {
  return LANES[urgencyRank(header.urgency)] ?? LOWEST_LANE;
}
