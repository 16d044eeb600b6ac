/**
 * What the journal holds, in memory: blocks that wait, batches that are under way, and what they add up to.
 *
 * Invariants: a mirror of what is on disk, changed only after the commit that changed the disk (a batch takes its blocks
 * out of the waiting ones before, and gives them back when its commit fails); each block waits, or is in one batch.
 * No I/O.
 */
import { SluiceError } from '@sluice/base/error';
import { type AgentId, type BlockHeader, type BlockId, blockKey } from '@sluice/protocol/model';
import {
  type BatchRecord,
  type JournalBatch,
  type JournaledBlock,
  LANES,
  type Lane,
} from './journal-records.ts';

/**
 * What the smallest block counts against the room: it takes pages on disk and an entry in memory however few
 * records it has. With it, the default room is at most 131072 blocks.
 */
export const MIN_BLOCK_COST_BYTES = 4096;

export interface LaneStatistics {
  readonly blockCount: number;
  readonly rawBytes: number;
}

/** What one agent has in one lane. */
export interface HeldOfAgent {
  readonly lane: Lane;
  readonly agentId: AgentId;
  records: number;
  /** By the agent's clock. */
  oldestObservedMs: number;
  oldestReceivedMs: number;
}

/** A batch as it was read from disk. */
export interface StoredBatch extends BatchRecord {
  readonly lane: Lane;
  readonly number: number;
}

export class HeldBlocks {
  /** Blocks that wait and are in no batch, in order of arrival. */
  readonly #waiting: readonly Map<number, JournaledBlock>[] = LANES.map(() => new Map());
  readonly #batches: readonly Map<number, JournalBatch>[] = LANES.map(() => new Map());
  readonly #totals = LANES.map(() => ({ blockCount: 0, rawBytes: 0 }));
  /** Payload bytes of all blocks that are held. */
  #payloadBytes = 0;
  /** Keys of all blocks that are held. */
  readonly #keys = new Set<string>();

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  get laneStatistics(): readonly LaneStatistics[] {
    return this.#totals.map((totals) => ({ ...totals }));
  }

  /** Whether this very block waits, or is in a batch. */
  has(id: BlockId): boolean {
    return this.#keys.has(blockKey(id));
  }

  /** Blocks of the lane that wait and are in no batch, the oldest first. */
  waiting(lane: Lane): Iterable<JournaledBlock> {
    return this.#waiting[lane]?.values() ?? [];
  }

  /** Batches of the lane, the oldest first. */
  batches(lane: Lane): readonly JournalBatch[] {
    return [...(this.#batches[lane]?.values() ?? [])];
  }

  /** Everything that is held, by lane and agent. Goes over all blocks: for people to look at. */
  byAgent(): HeldOfAgent[] {
    return LANES.flatMap((lane) => {
      const found = new Map<AgentId, HeldOfAgent>();
      for (const block of this.#waiting[lane]?.values() ?? []) addTo(found, block);
      for (const batch of this.#batches[lane]?.values() ?? []) {
        for (const block of batch.blocks) addTo(found, block);
      }
      return [...found.values()];
    });
  }

  /** A new block is on disk, and waits. */
  add(block: JournaledBlock): void {
    this.#waiting[block.lane]?.set(block.number, block);
    this.#count(block, 1);
  }

  /** Puts back what was read from disk. A batch may have lost blocks to damage (journal-databases.ts). */
  restore(blocks: Iterable<JournaledBlock>, batches: Iterable<StoredBatch>): void {
    const byNumber = new Map<number, JournaledBlock>();
    for (const block of blocks) {
      byNumber.set(block.number, block);
      this.#count(block, 1);
    }
    for (const { lane, number, token, serverId, blockNumbers } of batches) {
      const members = blockNumbers.flatMap((blockNumber) => {
        const block = byNumber.get(blockNumber);
        if (block === undefined || block.lane !== lane) return [];
        byNumber.delete(blockNumber);
        return [block];
      });
      this.#batches[lane]?.set(number, { lane, number, token, serverId, blocks: members });
    }
    for (const block of byNumber.values()) this.#waiting[block.lane]?.set(block.number, block);
  }

  /** Takes waiting blocks out, for a batch. Throws `internal` when one does not wait in the lane. */
  take(lane: Lane, blocks: readonly JournaledBlock[]): void {
    const waiting = this.#waiting[lane];
    for (const block of blocks) {
      if (waiting?.get(block.number) !== block) {
        throw new SluiceError('internal', `block ${blockKey(block.header.id)} does not wait in lane ${lane}`);
      }
    }
    for (const block of blocks) waiting?.delete(block.number);
  }

  /** The batch could not be written: its blocks wait again, in order of arrival. */
  giveBack(lane: Lane, blocks: readonly JournaledBlock[]): void {
    const waiting = this.#waiting[lane];
    // A Map keeps the order of insertion.
    const later = [...(waiting?.values() ?? [])];
    waiting?.clear();
    for (const block of [...blocks, ...later]) waiting?.set(block.number, block);
  }

  addBatch(batch: JournalBatch): void {
    this.#batches[batch.lane]?.set(batch.number, batch);
  }

  /** The batch goes, into its parts. */
  replaceBatch(batch: JournalBatch, parts: readonly JournalBatch[]): void {
    this.#batches[batch.lane]?.delete(batch.number);
    for (const part of parts) this.addBatch(part);
  }

  /** The batch goes, and its blocks with it. Returns what they counted against the room. */
  release(batch: JournalBatch): number {
    this.#batches[batch.lane]?.delete(batch.number);
    let costBytes = 0;
    for (const block of batch.blocks) {
      costBytes += costOf(block.header);
      this.#count(block, -1);
    }
    return costBytes;
  }

  #count(block: JournaledBlock, sign: 1 | -1): void {
    const totals = this.#totals[block.lane];
    if (totals === undefined) return;
    totals.blockCount += sign;
    totals.rawBytes += sign * block.header.rawBytes;
    if (sign > 0) this.#keys.add(blockKey(block.header.id));
    else this.#keys.delete(blockKey(block.header.id));
    this.#payloadBytes += sign * block.payloadBytes;
  }
}

function addTo(found: Map<AgentId, HeldOfAgent>, { lane, header, receivedMs }: JournaledBlock): void {
  const { agentId } = header.id;
  let held = found.get(agentId);
  if (held === undefined) {
    held = { lane, agentId, records: 0, oldestObservedMs: Infinity, oldestReceivedMs: Infinity };
    found.set(agentId, held);
  }
  held.records += header.recordCount;
  held.oldestObservedMs = Math.min(held.oldestObservedMs, header.oldestObservedMs);
  held.oldestReceivedMs = Math.min(held.oldestReceivedMs, receivedMs);
}

/** What a block counts against the room, in bytes. */
export function costOf(header: BlockHeader): number {
  return Math.max(MIN_BLOCK_COST_BYTES, header.rawBytes);
}
