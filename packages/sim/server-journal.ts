/**
 * The server's journal as packages/server/journal keeps it: blocks, batches with their tokens, and the memory of every
 * block that was ever taken.
 *
 * Invariants: a block and the memory of it become durable together; a batch is one list of blocks under one token for
 * ever; what a batch held is forgotten together with it.
 */
import type { AgentId, BlockHeader, ServerId } from '@sluice/protocol/model';
import { blockKey, urgencyRank } from '@sluice/protocol/model';
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
  readonly known: Set<string>;
  readonly knownAgents: Set<AgentId>;
  readonly settledBelow: Map<AgentId, number>;
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
  readonly #settledBelow: Map<AgentId, number>;
  readonly #inBatch = new Set<number>();
  #costBytes = 0;

  constructor(world: World, disk: JournalDisk, maxBytes: number, roomChanged: () => void) {
    this.#world = world;
    this.disk = disk;
    this.#group = new GroupDisk(world);
    this.#roomChanged = roomChanged;
    this.#maxBytes = maxBytes;
    this.#firstNewBlock = disk.nextBlock;
    this.#settledBelow = new Map(disk.settledBelow);
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

  knows(header: BlockHeader): boolean {
    const { id } = header;
    return this.disk.known.has(blockKey(id)) || id.sequence < (this.#settledBelow.get(id.agentId) ?? 0);
  }

  isOfEarlierLife(block: JournaledBlock): boolean {
    return block.number < this.#firstNewBlock;
  }

  /** Every smaller sequence of the agent is answered for good; durable with the next commit. */
  settleBelow(agentId: AgentId, sequence: number): void {
    // Of an agent of which nothing is known, nothing is remembered.
    if (!this.disk.knownAgents.has(agentId)) return;
    if (sequence > (this.#settledBelow.get(agentId) ?? 0)) this.#settledBelow.set(agentId, sequence);
  }

  append(
    header: BlockHeader,
    inDoubtAt: ServerId | undefined,
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
        this.disk.known.add(key);
        this.disk.knownAgents.add(header.id.agentId);
        const lane = urgencyRank(header.urgency);
        block = { number, lane, key, header, inDoubtAt, receivedMs: this.#world.nowMs };
        this.disk.blocks.set(number, block);
        this.#world.observe({ type: 'block_journaled', serverId: this.disk.serverId, header });
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
    this.#group.submit({
      apply: () => {
        apply();
        for (const [agentId, sequence] of this.#settledBelow) this.disk.settledBelow.set(agentId, sequence);
      },
      done,
    });
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
