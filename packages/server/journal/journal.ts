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
import { LedgerKeeper } from '@sluice/durable/ledger-keeper';
import type { FoundDamage } from '@sluice/durable/lmdb/damage-latch';
import type { Loss, LossTotals } from '@sluice/durable/loss';
import { type AgentId, type BlockId, blockKey } from '@sluice/protocol/model';
import type { AcceptedBlock } from './accepted-block.ts';
import { ConflictBook, type ConflictCounts } from './conflict-book.ts';
import { costOf, HeldBlocks, type HeldOfAgent, type LaneStatistics } from './held-blocks.ts';
import { JOURNAL_FILE_NAME, type JournalLedgerState } from './journal-file.ts';
import { JournalIntake } from './journal-intake.ts';
import {
  type JournalBatch,
  type JournaledBlock,
  LANES,
  type Lane,
  type SetAsideBlock,
} from './journal-records.ts';
import { type JournalListener, JournalRoom } from './journal-room.ts';
import { JournalShelf } from './journal-shelf.ts';
import { JournalStore } from './journal-store.ts';
import { type CommitStatistics, JournalWriter } from './journal-writer.ts';
import { KnownBlocks, type Recognition } from './known-blocks.ts';

/** Raw bytes that a journal holds by default: minutes of a busy server, and a bound on what a restart must load. */
const DEFAULT_MAX_RAW_BYTES: number = 512 * 1024 * 1024;
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

export interface JournalStatistics extends CommitStatistics {
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
}

export class Journal {
  /** Names this journal; drawn when it was created. */
  readonly instanceId: string;
  readonly maxRawBytes: number;
  readonly #lock: DirectoryLock;
  readonly #store: JournalStore;
  readonly #known: KnownBlocks;
  readonly #writer: JournalWriter;
  readonly #room: JournalRoom;
  readonly #intake: JournalIntake;
  readonly #held = new HeldBlocks();
  readonly #shelf: JournalShelf;
  readonly #conflicts = new ConflictBook();
  readonly #ledger: LedgerKeeper<JournalLedgerState>;
  /** Blocks with a smaller number are of an earlier life. */
  readonly #firstNewBlock: number;
  #nextBatch: number;
  /** Drawn at each start. */
  readonly #run = randomBytes(RUN_BYTES).toString('hex');
  #closed = false;

  private constructor(options: JournalOptions, lock: DirectoryLock, store: JournalStore) {
    this.#lock = lock;
    this.#store = store;
    this.maxRawBytes = options.maxRawBytes ?? DEFAULT_MAX_RAW_BYTES;
    this.instanceId = store.identity.instanceId;
    this.#known = new KnownBlocks(defined({ maxChunks: options.maxKnownChunks }));
    for (const agent of store.knownAgents()) this.#known.restore(agent);
    this.#shelf = new JournalShelf(store);
    this.#room = new JournalRoom({
      maxRawBytes: this.maxRawBytes,
      file: path.join(options.directory, JOURNAL_FILE_NAME),
      heldBytes: () => this.#held.payloadBytes + this.#shelf.payloadBytes,
      isDamaged: () => this.damage !== undefined,
    });
    const restored = this.#restore();
    this.#firstNewBlock = restored.nextBlock;
    this.#nextBatch = restored.nextBatch;
    this.#ledger = new LedgerKeeper(store.ledger, () => ({ blocks: this.#heldCount }));
    this.#writer = new JournalWriter({
      ...{ store, known: this.#known },
      onCommitted: () => this.#ledger.changed(),
      onDamaged: () => this.#room.tell(),
    });
    this.#intake = new JournalIntake({
      ...{ store, writer: this.#writer, known: this.#known, room: this.#room },
      firstNumber: restored.nextBlock,
      onTaken: (block, recognition) => this.#taken(block, recognition),
    });
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
    return this.#room.bytes;
  }

  /** What LMDB found wrong with the file while it was open; nothing can be read or written since then. */
  get damage(): FoundDamage | undefined {
    return this.#store.damage;
  }

  /** Whether the latest block found no space on the disk. */
  get isDiskFull(): boolean {
    return this.#room.isDiskFull;
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
      writingBlocks: this.#intake.writingCount,
      setAsideBlocks: this.#shelf.blockCount,
      setAsideDroppedTotal: this.#shelf.droppedTotal,
      losses: this.#ledger.losses,
      lossTotals: this.#ledger.lossTotals,
      knownAgents: this.#known.agentCount,
      knownChunks: this.#known.chunkCount,
      conflicts: this.#conflicts.list(),
      ...this.#writer.statistics,
    };
  }

  /** Calls `listener` on each change from now on; returns what ends that. */
  listen(listener: JournalListener): () => void {
    return this.#room.listen(listener);
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
    return this.#intake.writing(blockKey(id)) === undefined && (this.#known.has(id) || this.#held.has(id));
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
    const writing = this.#intake.writing(blockKey(block.header.id));
    if (writing !== undefined) return writing;
    if (this.knows(block.header.id)) return Promise.resolve();
    return this.#closed ? Promise.reject(closedError()) : this.#intake.append(block);
  }

  #taken(block: JournaledBlock, recognition: Recognition): void {
    if (recognition === 'conflict') this.#conflicts.conflicted(block.header, block.receivedMs);
    this.#held.add(block);
    this.#room.tellAppended(block);
  }

  /**
   * The agent holds no block of (agent, epoch) with a smaller sequence: their digests may be forgotten. Durable with the next
   * commit.
   */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): void {
    this.#writer.settleBelow(agentId, epoch, sequence);
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
      await this.#writer.write(lane, (write) => this.#store.putBatch(write, batch, this.#nextBatch));
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
    await this.#writer.write(batch.lane, (write) => {
      this.#store.removeBatch(write, batch);
      for (const part of parts) this.#store.putBatch(write, part, this.#nextBatch);
    });
    this.#held.replaceBatch(batch, parts);
    return parts;
  }

  /** The store has the batch: forgets it and its blocks (they stay known). */
  async finishBatch(batch: JournalBatch): Promise<void> {
    this.#checkOpen();
    await this.#writer.write(batch.lane, (write) => {
      this.#store.removeBatch(write, batch);
      for (const block of batch.blocks) this.#store.removeBlock(write, block);
    });
    this.#room.change(-this.#held.release(batch));
  }

  /** The store refuses the blocks of the batch for good: keeps them aside, bounded, out of the way. */
  async setAside(batch: JournalBatch, reason: string): Promise<void> {
    this.#checkOpen();
    await this.#shelf.put(this.#writer, batch, reason);
    this.#room.change(-this.#held.release(batch));
  }

  /** What the store refused, the oldest first. */
  setAsideBlocks(): readonly SetAsideBlock[] {
    return this.#shelf.blocks();
  }

  /** Puts blocks that were set aside back among those that wait. Returns how many of the numbers name one. */
  async retrySetAside(numbers: readonly number[]): Promise<number> {
    this.#checkOpen();
    const blocks = await this.#shelf.take(this.#writer, numbers, (write, block) =>
      this.#store.moveBack(write, block),
    );
    for (const { reason: _reason, ...block } of blocks) {
      this.#room.change(costOf(block.header));
      this.#held.add(block);
      this.#room.tellAppended(block);
    }
    return blocks.length;
  }

  /** Deletes blocks that were set aside. Returns how many of the numbers name one. */
  async dropSetAside(numbers: readonly number[]): Promise<number> {
    this.#checkOpen();
    const blocks = await this.#shelf.take(this.#writer, numbers, (write, block) =>
      this.#store.removeSetAside(write, block),
    );
    return blocks.length;
  }

  /** A person knows what was lost: it is not told any more. @throws SluiceError `disk_full` */
  acknowledgeLosses(): void {
    this.#ledger.acknowledgeLosses();
  }

  /** Waits for what is being written, then closes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#room.stop();
    await this.#writer.finish();
    this.#ledger.stop();
    await this.#store.close();
    this.#ledger.ended();
    this.#lock.release();
    this.#room.close();
  }

  /** Takes what is on disk into memory. Returns what the next ones are numbered. */
  #restore(): { readonly nextBlock: number; readonly nextBatch: number } {
    const blocks = [...this.#store.blocks()];
    this.#held.restore(blocks, this.#store.batches());
    this.#room.change(blocks.reduce((sum, { header }) => sum + costOf(header), 0));
    let nextBlock = 1;
    for (const { number } of [...blocks, ...this.#shelf.blocks()])
      nextBlock = Math.max(nextBlock, number + 1);
    // The number that is stored may be older than the batches.
    const highest = LANES.flatMap((lane) => this.#held.batches(lane)).map(({ number }) => number);
    return { nextBlock, nextBatch: Math.max(this.#store.identity.nextBatch, 1 + Math.max(0, ...highest)) };
  }

  #newBatch(lane: Lane, serverId: string, blocks: readonly JournaledBlock[]): JournalBatch {
    const number = this.#nextBatch++;
    // The instance keeps apart two journals of one server id, say after the directory was lost and begun anew; the run, two
    // lives of one, since a page of the file that went back to an earlier state names an earlier number.
    const token = `${serverId}/${lane}/${number}/${this.instanceId}/${this.#run}`;
    return { lane, number, token, serverId, blocks };
  }

  get #heldCount(): number {
    return this.#held.laneStatistics.reduce(
      (sum, { blockCount }) => sum + blockCount,
      this.#shelf.blockCount,
    );
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(): SluiceError {
  return new SluiceError('internal', 'the journal is closed');
}
