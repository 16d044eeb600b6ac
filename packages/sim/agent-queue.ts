/**
 * The agent's durable queue as packages/agent/queue keeps it: what is on disk outlives the process, the process sees it
 * only through writes that are synced in groups.
 *
 * Invariants: a sequence names one block for ever; a note "may be at that server" is durable before it is told.
 */
import type { AgentId, BlockHeader, ServerId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import { GroupDisk } from './group-disk.ts';
import type { World } from './world.ts';

/** What survives the process. */
export interface QueueDisk {
  readonly agentId: AgentId;
  /** Somebody who only has the agent's name. */
  readonly isForged: boolean;
  /** Of the present run, or the latest. */
  epoch: number;
  nextSequence: number;
  /** Lines of the log that were read and made durable here. */
  readCount: number;
  /** By sequence, ascending. */
  readonly blocks: Map<number, { readonly header: BlockHeader; inDoubtAt: ServerId | undefined }>;
}

export class AgentQueue {
  readonly disk: QueueDisk;
  readonly #world: World;
  readonly #group: GroupDisk;

  constructor(world: World, disk: QueueDisk) {
    this.#world = world;
    this.disk = disk;
    this.#group = new GroupDisk(world);
  }

  get settledBelowSequence(): number {
    for (const sequence of this.disk.blocks.keys()) return sequence;
    return this.disk.nextSequence;
  }

  kill(): void {
    this.#group.kill();
  }

  /** Makes a cut durable; on failure the same cut is tried again, as the pipeline does. */
  commitCut(headers: readonly BlockHeader[], done: () => void): void {
    this.#group.submit({
      apply: () => {
        for (const header of headers) {
          this.disk.blocks.set(header.id.sequence, { header, inDoubtAt: undefined });
          this.disk.nextSequence = header.id.sequence + 1;
          this.disk.readCount += 1;
          this.#world.observe({ type: 'block_queued', header, isForged: this.disk.isForged });
        }
      },
      done: (isWritten) => {
        if (isWritten) done();
        else this.commitCut(headers, done);
      },
    });
  }

  markSent(sequence: number, serverId: ServerId, done: (isWritten: boolean) => void): void {
    if (!this.disk.blocks.has(sequence)) {
      this.#world.after(0, () => done(true));
      return;
    }
    this.#group.submit({
      apply: () => {
        const block = this.disk.blocks.get(sequence);
        if (block !== undefined) block.inDoubtAt = serverId;
      },
      done,
    });
  }

  /** A removal that fails is left to the next start. */
  remove(sequences: readonly number[]): void {
    this.#group.submit({
      apply: () => {
        for (const sequence of sequences) {
          const block = this.disk.blocks.get(sequence);
          if (block === undefined) continue;
          this.disk.blocks.delete(sequence);
          this.#world.observe({ type: 'block_removed', key: blockKey(block.header.id) });
        }
      },
      done: () => undefined,
    });
  }
}
