/**
 * Writes the journal by group commit, and with each commit what has changed of the known blocks since the one before.
 *
 * Invariants: a block and the memory of it are written in one transaction; what a failed commit did not write of the memory goes
 * with the next one.
 */
import type { Transaction } from '@sluice/durable/lmdb/environment';
import type { AgentId, BlockId } from '@sluice/protocol/model';
import { GroupCommit, type PendingWrite } from './group-commit.ts';
import type { Lane } from './journal-records.ts';
import type { JournalStore } from './journal-store.ts';
import type { KnownBlocks, Recognition } from './known-blocks.ts';
import { KnownChanges } from './known-changes.ts';

export interface CommitStatistics {
  readonly commits: number;
  readonly committedWrites: number;
  /** Sum of the time that all commits took. */
  readonly commitMs: number;
}

export interface JournalWriterOptions {
  readonly store: JournalStore;
  readonly known: KnownBlocks;
  readonly onCommitted: () => void;
  /** The file turned out to be damaged: nothing is written any more. */
  readonly onDamaged: () => void;
}

export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #group: GroupCommit<Transaction>;
  #dirty = new KnownChanges();
  #commits = 0;
  #committedWrites = 0;
  #commitMs = 0;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#group = new GroupCommit(
      (writes) => this.#commit(writes),
      (durationMs, writeCount) => {
        this.#commits += 1;
        this.#committedWrites += writeCount;
        this.#commitMs += durationMs;
        options.onCommitted();
      },
    );
  }

  get statistics(): CommitStatistics {
    return { commits: this.#commits, committedWrites: this.#committedWrites, commitMs: this.#commitMs };
  }

  /** Resolves when `write` is on disk; rejects with the error of its commit. */
  submit(write: PendingWrite<Transaction>): Promise<void> {
    return this.#group.submit(write);
  }

  /** The same for a write that changes nothing in memory, and adds no payload. */
  write(lane: Lane, apply: (write: Transaction) => void): Promise<void> {
    return this.#group.submit({ rank: lane, bytes: 0, apply });
  }

  /** In an open transaction: remembers a block. Returns what was known of it before (known-blocks.ts). */
  remember(id: BlockId, receivedMs: number, sealedBefore: number): Recognition {
    const { known } = this.#options;
    const recognition = known.recognize(id, sealedBefore);
    const { agent, chunk } = known.add(id, receivedMs, sealedBefore);
    this.#dirty.touch(agent, chunk);
    for (const forgotten of known.trim(agent, chunk)) this.#dirty.forget(forgotten);
    return recognition;
  }

  /** Digests of lower sequences may be forgotten. Durable with the next commit. */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): void {
    const forgotten = this.#options.known.settleBelow(agentId, epoch, sequence);
    if (forgotten === undefined) return;
    this.#dirty.agents.add(forgotten.agent);
    this.#dirty.forget(forgotten);
  }

  /** Resolves when all is written, also what only waits for the next commit. */
  async finish(): Promise<void> {
    await this.#group.idle();
    if (!this.#dirty.isEmpty && this.#options.store.damage === undefined) await this.write(0, nothing);
  }

  /** One transaction: the writes, and what they changed of the known blocks. */
  async #commit(writes: (write: Transaction) => void): Promise<void> {
    const { store, onDamaged } = this.#options;
    let dirty = this.#dirty;
    try {
      await store.transaction((write) => {
        writes(write);
        dirty = this.#dirty;
        this.#dirty = new KnownChanges();
        for (const forgotten of dirty.forgotten) store.forget(write, forgotten);
        for (const agent of dirty.agents) store.putAgent(write, agent);
        for (const [agent, chunks] of dirty.chunks) {
          for (const chunk of chunks) store.putChunk(write, agent, chunk);
        }
      });
    } catch (error) {
      if (dirty !== this.#dirty) this.#dirty.takeOver(dirty);
      if (store.damage !== undefined) onDamaged();
      throw error;
    }
  }
}

function nothing(): void {
  // A write without content.
}
