/**
 * The server's journal as packages/server/journal keeps it: blocks, batches with their tokens, and the real memory of the blocks
 * that were taken.
 *
 * Invariants: a block and the memory of it become durable together; a batch is one list of blocks under one token for
 * ever; what a batch held is forgotten together with it.
 */
import type { AgentId, BlockHeader, ServerId } from '@sluice/protocol/model';
import { blockKey, urgencyRank } from '@sluice/protocol/model';
import type { KnownBlocks } from '@sluice/server/journal/known-blocks';
import { GroupDisk } from './group-disk.ts';
import type { World } from './world.ts';

/** What the smallest block counts against the room (packages/server/journal). */
const MIN_BLOCK_COST_BYTES = 4096;
/** Beyond the room by this factor nothing is taken. */
const MAX_OVERFILL_FACTOR = 2;

export interface JournaledBlock {
  readonly number: number;
  readonly lane: number;
  readonly key: string;
  readonly header: BlockHeader;
  readonly inDoubtAt: ServerId | undefined;
  readonly receivedMs: number;
  /** It may have been taken before, and forgotten: the store is asked for it. */
  readonly isUnsure: boolean;
}

export interface JournalBatch {
  readonly number: number;
  readonly lane: number;
  readonly token: string;
  readonly blocks: readonly JournaledBlock[];
}

/** What survives the process. */
export interface JournalDisk {
  readonly serverId: ServerId;
  readonly blocks: Map<number, JournaledBlock>;
  readonly batches: Map<number, JournalBatch>;
  readonly known: KnownBlocks;
  nextBlock: number;
  nextBatch: number;
}

export class ServerJournal {
  readonly disk: JournalDisk;
  readonly #world: World;
  readonly #group: GroupDisk;
  readonly #roomChanged: () => void;
  readonly #maxBytes: number;
  readonly #firstNewBlock: number;
  readonly #inBatch = new Set<number>();
  #costBytes = 0;

  constructor(world: World, disk: JournalDisk, maxBytes: number, roomChanged: () => void) {
    this.#world = world;
    this.disk = disk;
    this.#group = new GroupDisk(world);
    this.#roomChanged = roomChanged;
    this.#maxBytes = maxBytes;
    this.#firstNewBlock = disk.nextBlock;
    for (const block of disk.blocks.values()) this.#costBytes += costOf(block.header);
    for (const batch of disk.batches.values())
      for (const { number } of batch.blocks) this.#inBatch.add(number);
  }

  get roomBytes(): number {
    return Math.max(0, this.#maxBytes - this.#costBytes);
  }

  kill(): void {
    this.#group.kill();
  }

  /** This very block is durable here, or was and is remembered. */
  knows({ id }: BlockHeader): boolean {
    if (this.disk.known.has(id)) return true;
    const key = blockKey(id);
    return [...this.disk.blocks.values()].some((block) => block.key === key);
  }

  isOfEarlierLife(block: JournaledBlock): boolean {
    return block.number < this.#firstNewBlock;
  }

  /** The agent says that it holds no block of its run with a smaller sequence: what is remembered of them may go. */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): void {
    this.disk.known.settleBelow(agentId, epoch, sequence);
  }

  /** @param sealedBefore the agent had sealed all lower sequences before its connection. */
  append(
    header: BlockHeader,
    inDoubtAt: ServerId | undefined,
    sealedBefore: number,
    done: (block: JournaledBlock | undefined, failure: string) => void,
  ): void {
    const costBytes = costOf(header);
    if (this.#costBytes + costBytes > this.#maxBytes * MAX_OVERFILL_FACTOR) {
      this.#world.after(0, () => done(undefined, 'the journal takes no more'));
      return;
    }
    this.#changeCost(costBytes);
    let block: JournaledBlock | undefined;
    this.#submit(
      () => {
        const number = this.disk.nextBlock;
        this.disk.nextBlock += 1;
        const key = blockKey(header.id);
        const { known, serverId } = this.disk;
        const recognition = known.recognize(header.id, sealedBefore);
        const { agent, chunk } = known.add(header.id, this.#world.nowMs, sealedBefore);
        known.trim(agent, chunk);
        const lane = urgencyRank(header.urgency);
        const isUnsure = recognition === 'unsure';
        block = { number, lane, key, header, inDoubtAt, receivedMs: this.#world.nowMs, isUnsure };
        this.disk.blocks.set(number, block);
        this.#world.observe({ type: 'block_journaled', serverId, header, recognition });
      },
      (isWritten) => {
        if (!isWritten) this.#changeCost(-costBytes);
        done(isWritten ? block : undefined, 'the disk failed');
      },
    );
  }

  /** Blocks of the lane that are in no batch, the oldest first. */
  waiting(lane: number): JournaledBlock[] {
    return [...this.disk.blocks.values()].filter(
      (block) => block.lane === lane && !this.#inBatch.has(block.number),
    );
  }

  openBatches(lane: number): JournalBatch[] {
    return [...this.disk.batches.values()].filter((batch) => batch.lane === lane);
  }

  createBatch(
    lane: number,
    blocks: readonly JournaledBlock[],
    done: (batch: JournalBatch | undefined) => void,
  ): void {
    const batch = this.#newBatch(lane, blocks);
    for (const { number } of blocks) this.#inBatch.add(number);
    this.#submit(
      () => this.disk.batches.set(batch.number, batch),
      (isWritten) => {
        if (!isWritten) for (const { number } of blocks) this.#inBatch.delete(number);
        done(isWritten ? batch : undefined);
      },
    );
  }

  finishBatch(batch: JournalBatch, done: (isWritten: boolean) => void): void {
    this.#submit(
      () => {
        this.disk.batches.delete(batch.number);
        for (const { number, header } of batch.blocks) {
          this.disk.blocks.delete(number);
          this.#world.observe({ type: 'block_unjournaled', serverId: this.disk.serverId, header });
        }
      },
      (isWritten) => {
        if (isWritten) this.#changeCost(-batch.blocks.reduce((sum, { header }) => sum + costOf(header), 0));
        done(isWritten);
      },
    );
  }

  #newBatch(lane: number, blocks: readonly JournaledBlock[]): JournalBatch {
    // A number that was drawn by a life that died before its commit may come again: nothing left under it.
    this.disk.nextBatch += 1;
    const number = this.disk.nextBatch;
    return { number, lane, token: `${this.disk.serverId}/${lane}/${number}`, blocks };
  }

  #submit(apply: () => void, done: (isWritten: boolean) => void): void {
    this.#group.submit({ apply, done });
  }

  #changeCost(bytes: number): void {
    const before = this.roomBytes;
    this.#costBytes += bytes;
    if (this.roomBytes !== before) this.#roomChanged();
  }
}

function costOf(header: BlockHeader): number {
  return Math.max(MIN_BLOCK_COST_BYTES, header.rawBytes);
}
