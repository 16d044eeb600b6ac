/**
 * The agent's durable queue: sealed blocks, the read positions behind them, and the identity that names them.
 *
 * Invariants:
 * - Blocks, checkpoints and the sequence mark of a cut change in one transaction, so reading resumes exactly behind
 *   what is in blocks, wherever the process ended.
 * - What a promise of this module resolved for would survive a power cut.
 * - A sequence names one block of one run for ever. One that was drawn and not committed never left this process. Each
 *   start draws a new epoch, so that a directory that comes back older draws no position a second time.
 * - Payloads stay on disk; memory holds a number per block.
 * - A write that fails has changed nothing and may be tried again.
 */

import { SluiceError } from '@sluice/base/error';
import { type BlockFormat, FIRST_BLOCK_FORMAT, NATIVE_BLOCK_FORMATS } from '@sluice/block/formats';
import { Ballast } from '@sluice/durable/ballast';
import { type DirectoryLock, lockDirectory } from '@sluice/durable/directory-lock';
import { DiskSpace } from '@sluice/durable/disk-space';
import { LedgerKeeper } from '@sluice/durable/ledger-keeper';
import type { FoundDamage } from '@sluice/durable/lmdb/damage-latch';
import type { Transaction } from '@sluice/durable/lmdb/environment';
import type { Loss, LossTotals } from '@sluice/durable/loss';
import type { OpenedDurable, Origin } from '@sluice/durable/open-durable';
import type { AgentId, BlockId, BlockPosition, ServerId } from '@sluice/protocol/model';
import type { CheckpointChange } from '@sluice/source/checkpoint-change';
import { HeldSequences } from './held-sequences.ts';
import type { QueueIdentity } from './identity.ts';
import { openQueueDatabases, type QueueDatabases } from './queue-databases.ts';
import { openQueueFile, QUEUE_FILE_NAME } from './queue-file.ts';
import { EmptyPositions, type QueueLedgerState } from './queue-ledger.ts';
import { QueueShelf, type SetAsideBlock } from './queue-shelf.ts';
import { putCut, removeBlock } from './queue-writes.ts';
import type { NewBlock, QueuedBlock } from './queued-block.ts';
import { loadHeader, parseServerId, parseStoredHeader } from './stored.ts';

/** Payload bytes on disk before reading pauses: hours of a busy machine, and affordable on any disk. */
const DEFAULT_MAX_QUEUE_BYTES: number = 1024 * 1024 * 1024;
/** Beside the ballast, which is kept for removals: some pages for read positions. */
const DISK_RESERVE_BYTES: number = 128 * 1024;
/** In `meta`; older programs do not look at it. */
const BLOCK_FORMAT_KEY = 'blockFormat';

export interface DurableQueueOptions {
  /** The agent's data directory; created when it is missing. */
  readonly directory: string;
  /** Payload bytes at which the queue counts as full. Default {@link DEFAULT_MAX_QUEUE_BYTES}. */
  readonly maxBytes?: number;
  /** Name of this agent; drawn from the host name when the queue is created without it. */
  readonly agentId?: string;
}

/** What of the queue a person should know. */
export interface QueueStatistics {
  readonly origin: Origin;
  /** What was lost and nobody has acknowledged, the oldest first; bounded. */
  readonly losses: readonly Loss[];
  /** Of all of them. */
  readonly lossTotals: LossTotals;
  /** Blocks on the shelf. */
  readonly setAsideBlocks: number;
  /** Blocks that were dropped from it because too many were kept, ever. */
  readonly droppedSetAsideTotal: number;
}

export class DurableQueue {
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly maxBytes: number;
  readonly #lock: DirectoryLock;
  readonly #databases: QueueDatabases;
  readonly #origin: Origin;
  readonly #ledger: LedgerKeeper<QueueLedgerState>;
  readonly #emptyPositions: EmptyPositions;
  readonly #space: DiskSpace;
  readonly #ballast: Ballast;
  readonly #shelf: QueueShelf;
  readonly #held: HeldSequences;
  #blockFormat: BlockFormat;
  #nextSequence: number;
  #committedSequence: number;
  #droppedSetAside: number;
  #closed = false;

  private constructor(
    lock: DirectoryLock,
    opened: OpenedDurable<QueueLedgerState, QueueIdentity>,
    maxBytes: number,
  ) {
    const { environment, identity, ledger, origin } = opened;
    this.#lock = lock;
    this.#databases = openQueueDatabases(environment);
    this.#ballast = new Ballast(environment);
    this.#origin = origin;
    this.agentId = identity.agentId;
    this.epoch = identity.epoch;
    this.maxBytes = maxBytes;
    this.#held = new HeldSequences(maxBytes);
    this.#nextSequence = identity.nextSequence;
    this.#committedSequence = identity.nextSequence - 1;
    this.#blockFormat = readBlockFormat(environment.meta.get(BLOCK_FORMAT_KEY));
    for (const [key, value] of this.#databases.headers.entries())
      this.#held.add(key, parseStoredHeader(value, environment.name).payloadBytes);
    this.#shelf = new QueueShelf(this.#databases, this.agentId);
    this.#space = new DiskSpace({
      what: 'the queue',
      reserveBytes: DISK_RESERVE_BYTES,
      file: environment.file,
      heldBytes: () => this.#held.usedBytes + this.#shelf.payloadBytes,
      onChanged: () => undefined,
    });
    this.#droppedSetAside = ledger.state?.droppedSetAside ?? 0;
    this.#emptyPositions = new EmptyPositions(
      ledger.state,
      () => this.blockCount,
      () => this.checkpoints(),
    );
    this.#ledger = new LedgerKeeper(ledger, () => this.#ledgerState());
  }

  /**
   * Opens the queue in a directory, or creates it. Of a damaged one what can be read is kept; what was lost is in
   * {@link statistics}.
   *
   * @throws SluiceError `already_running`, `state_newer`, `state_corrupt`, `config_invalid` (directory not writable, or
   *   another agent id than the one that the queue was created with), `disk_full`.
   */
  static async open(options: DurableQueueOptions): Promise<DurableQueue> {
    const lock = lockDirectory(options.directory, [QUEUE_FILE_NAME]);
    try {
      const opened = await openQueueFile(options.directory, options.agentId);
      return new DurableQueue(lock, opened, options.maxBytes ?? DEFAULT_MAX_QUEUE_BYTES);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Draws the position of the next block. It counts only once {@link commitCut} has it. */
  nextPosition(): BlockPosition {
    const sequence = this.#nextSequence++;
    return { agentId: this.agentId, epoch: this.epoch, sequence };
  }

  /** What is sealed from now on has this sequence or a higher one. */
  get nextSequence(): number {
    return this.#committedSequence + 1;
  }

  /**
   * Makes blocks and the read positions behind them durable, together. Cuts are committed in the order of their
   * sequences; the caller waits for one before it commits the next.
   *
   * @throws SluiceError `disk_full` or `internal`; nothing is kept then, and the same cut may be committed again.
   */
  async commitCut(blocks: readonly NewBlock[], checkpoints: readonly CheckpointChange[]): Promise<void> {
    let last = this.#committedSequence;
    for (const { header } of blocks) {
      const { agentId, epoch, sequence } = header.id;
      if (agentId !== this.agentId || epoch !== this.epoch || sequence <= last) {
        throw new SluiceError('internal', `block ${agentId}/${epoch}/${sequence} does not follow ${last}`);
      }
      last = sequence;
    }
    const bytes = blocks.reduce((sum, { payload }) => sum + payload.length, 0);
    // LMDB itself would be told only afterwards, print what the system said, and not survive it many times.
    this.#space.reserve(bytes);
    try {
      await this.#databases.environment.commitAgain((write) =>
        putCut(write, this.#databases, blocks, checkpoints),
      );
    } finally {
      this.#space.written(bytes);
    }
    this.#committedSequence = last;
    for (const { header, payload } of blocks) this.#held.add(header.id.sequence, payload.length);
    this.#ballast.restore();
    this.#changed();
  }

  /** All blocks in the queue, in ascending sequence: what the uplink is told at start. Read on demand, so removing
   * blocks while iterating skips them. */
  *blocks(): IterableIterator<QueuedBlock> {
    const { headers, inDoubt, environment } = this.#databases;
    const { name } = environment;
    for (const sequence of this.#held.sequences()) {
      const header = loadHeader(this.agentId, sequence, parseStoredHeader(headers.get(sequence), name));
      const server = inDoubt.get(sequence);
      yield server === undefined ? { header } : { header, inDoubtAt: parseServerId(server, name) };
    }
  }

  /**
   * The payload of a block, or undefined when the queue does not hold it (any more). It may be damaged: its digest tells.
   * Throws SluiceError `state_corrupt` when the file cannot be read.
   */
  readPayload(id: BlockId): Buffer | undefined {
    if (!this.#holds(id)) return undefined;
    const { environment, payloads } = this.#databases;
    return environment.latch.read(() => payloads.get(id.sequence));
  }

  /**
   * Marks a block as possibly durable at a server. Marks made together are written together.
   *
   * @returns when the mark is durable; a block that is gone by then is left alone.
   */
  async markSent(id: BlockId, serverId: ServerId): Promise<void> {
    if (!this.#holds(id)) return;
    await this.#ballast.commit((write) => {
      write.put(this.#databases.inDoubt, id.sequence, serverId);
    });
    // It may have been removed while the mark was on its way.
    if (!this.#holds(id)) {
      await this.#ballast.commit((write) => {
        write.remove(this.#databases.inDoubt, id.sequence);
      });
    }
  }

  /** Forgets blocks that are durable at a server. Unknown ids are ignored. Resolves when that is durable. */
  async remove(ids: readonly BlockId[]): Promise<void> {
    const sequences = ids.filter((id) => this.#holds(id)).map((id) => id.sequence);
    if (sequences.length === 0) return;
    await this.#ballast.commit((write) => {
      for (const sequence of sequences) removeBlock(write, this.#databases, sequence);
    });
    this.#forget(sequences);
  }

  /**
   * Takes a block that a server calls malformed out of the queue and keeps it for people. Beyond
   * the bounds of the shelf the oldest one kept is dropped and counted. One without a
   * payload is lost, and counted as such.
   */
  async setAside(id: BlockId, reason: string): Promise<void> {
    if (!this.#holds(id)) return;
    const { headers, environment } = this.#databases;
    const { sequence } = id;
    const payload = this.readPayload(id);
    if (payload === undefined) return await this.#lose(sequence);
    const header = parseStoredHeader(headers.get(sequence), environment.name);
    this.#droppedSetAside += await this.#shelf.put(
      this.#commitShrinking,
      { sequence, header, payload, reason },
      (write) => removeBlock(write, this.#databases, sequence),
    );
    this.#forget([sequence]);
  }

  /** There is nothing left of a block but its header. */
  async #lose(sequence: number): Promise<void> {
    await this.#ballast.commit((write) => removeBlock(write, this.#databases, sequence));
    const { what } = this.#databases.environment.name;
    this.#ledger.lost({
      ...{ atMs: Date.now(), kind: 'damaged', blocks: 1 },
      message: `the payload of block ${sequence} was missing in ${what}; its lines are lost`,
    });
    this.#forget([sequence]);
  }

  /** The blocks set aside, oldest first. */
  setAsideBlocks(): SetAsideBlock[] {
    return this.#shelf.blocks();
  }

  /** Puts a block set aside back into the queue, to be sent at the next start. Returns whether it was there. */
  async retrySetAside(sequence: number): Promise<boolean> {
    const payload = this.#shelf.readPayload(sequence);
    if (payload === undefined) return false;
    const { headers, payloads } = this.#databases;
    const isTaken = await this.#shelf.take(this.#commitShrinking, sequence, (write, header) => {
      write.put(payloads, sequence, payload);
      write.put(headers, sequence, header);
    });
    if (isTaken) this.#held.add(sequence, payload.length);
    return isTaken;
  }

  /** Deletes a block set aside. Returns whether it was there. */
  async dropSetAside(sequence: number): Promise<boolean> {
    return await this.#shelf.take(this.#commitShrinking, sequence);
  }

  /** What LMDB found wrong with the file while it was open; nothing can be read or written since then. */
  get damage(): FoundDamage | undefined {
    return this.#databases.environment.latch.damage;
  }

  get statistics(): QueueStatistics {
    const { losses, lossTotals } = this.#ledger;
    return {
      ...{ origin: this.#origin, losses, lossTotals },
      ...{ setAsideBlocks: this.#shelf.blockCount, droppedSetAsideTotal: this.#droppedSetAside },
    };
  }

  /** A person knows what was lost: it is not told any more. @throws SluiceError `disk_full` */
  acknowledgeLosses(): void {
    this.#ledger.acknowledgeLosses();
  }

  /** All read positions, as they were committed. */
  *checkpoints(): IterableIterator<{ key: string; value: unknown }> {
    const { checkpoints, environment } = this.#databases;
    for (const [key, value] of environment.latch.read(() => [...checkpoints.entries()])) yield { key, value };
  }

  /**
   * The format in which new blocks are sealed: the latest that all servers take that were met. It is remembered over
   * restarts, so that what is read before the first server answers is in it too; the first one until any server was met.
   */
  get blockFormat(): BlockFormat {
    return this.#blockFormat;
  }

  /** Changes {@link blockFormat}; resolves when a restart knows it. */
  async sealIn(format: BlockFormat): Promise<void> {
    if (format === this.#blockFormat) return;
    this.#blockFormat = format;
    await this.#ballast.commit((write) => {
      write.put(this.#databases.environment.meta, BLOCK_FORMAT_KEY, format.number);
    });
  }

  /** Payload bytes in the queue. */
  get usedBytes(): number {
    return this.#held.usedBytes;
  }

  /** Blocks in the queue. */
  get blockCount(): number {
    return this.#held.count;
  }

  /** Whether reading has to pause. */
  get isFull(): boolean {
    return this.#held.isFull;
  }

  /** Every block with a lower sequence was removed or set aside and never comes again. */
  get settledBelowSequence(): number {
    return this.#held.first ?? this.nextSequence;
  }

  /** Resolves when the queue is not full, at once if it is not, or when it is closed. */
  async waitForRoom(): Promise<void> {
    if (!this.#closed) await this.#held.waitForRoom();
  }

  /** Waits for writes under way and lets go of the directory. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#held.wake();
    this.#space.stop();
    this.#ledger.stop();
    await this.#databases.environment.close();
    this.#ledger.ended();
    this.#lock.release();
  }

  /** Sequences count on over all runs, so one of them is enough to find a block of this queue. */
  #holds(id: BlockId): boolean {
    return id.agentId === this.agentId && this.#held.has(id.sequence);
  }

  readonly #commitShrinking = (action: (write: Transaction) => void): Promise<void> =>
    this.#ballast.commit(action);

  #ledgerState(): QueueLedgerState {
    const { agentId, epoch, nextSequence } = this;
    return {
      ...{ agentId, epoch, nextSequence },
      ...{ blocks: this.blockCount, setAsideBlocks: this.#shelf.blockCount },
      ...this.#emptyPositions.latest(),
      droppedSetAside: this.#droppedSetAside,
    };
  }

  #changed(): void {
    this.#emptyPositions.changed();
    this.#ledger.changed();
  }

  #forget(sequences: readonly number[]): void {
    this.#held.remove(sequences);
    this.#changed();
  }
}

/** What was noted, if it is a format that this program writes. */
function readBlockFormat(noted: unknown): BlockFormat {
  return (typeof noted === 'number' ? NATIVE_BLOCK_FORMATS.get(noted) : undefined) ?? FIRST_BLOCK_FORMAT;
}
