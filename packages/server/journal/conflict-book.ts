/**
 * Counts, per agent, what should not happen to blocks of an agent in order: another content at a position that was taken, and
 * blocks that come again after they were settled. For people to look at; since the start of the server.
 *
 * Invariant: at most MAX_AGENTS_COUNTED agents; the one whose latest event is the oldest goes first.
 */
import type { AgentId, BlockHeader } from '@sluice/protocol/model';

/** More agents in trouble than one person looks at. */
const MAX_AGENTS_COUNTED = 1000;

export interface ConflictCounts {
  readonly agentId: AgentId;
  /** Blocks at a position that another content had taken, and their records. All contents are kept. */
  readonly conflictingBlocks: number;
  readonly conflictingRecords: number;
  /** Blocks that the store had already, and their records. They were not stored again. */
  readonly repeatedBlocks: number;
  readonly repeatedRecords: number;
  readonly firstMs: number;
  readonly latestMs: number;
}

export class ConflictBook {
  /** In order of the latest event. */
  readonly #byAgent = new Map<AgentId, ConflictCounts>();

  conflicted({ id, recordCount }: BlockHeader, atMs: number): void {
    const counts = this.#take(id.agentId, atMs);
    this.#put({
      ...counts,
      conflictingBlocks: counts.conflictingBlocks + 1,
      conflictingRecords: counts.conflictingRecords + recordCount,
    });
  }

  repeated({ id, recordCount }: BlockHeader, atMs: number): void {
    const counts = this.#take(id.agentId, atMs);
    this.#put({
      ...counts,
      repeatedBlocks: counts.repeatedBlocks + 1,
      repeatedRecords: counts.repeatedRecords + recordCount,
    });
  }

  /** The latest first. */
  list(): readonly ConflictCounts[] {
    return [...this.#byAgent.values()].reverse();
  }

  #take(agentId: AgentId, atMs: number): ConflictCounts {
    const known = this.#byAgent.get(agentId);
    this.#byAgent.delete(agentId);
    const none = { conflictingBlocks: 0, conflictingRecords: 0, repeatedBlocks: 0, repeatedRecords: 0 };
    return { agentId, firstMs: atMs, ...none, ...known, latestMs: atMs };
  }

  #put(counts: ConflictCounts): void {
    this.#byAgent.set(counts.agentId, counts);
    for (const oldest of this.#byAgent.keys()) {
      if (this.#byAgent.size <= MAX_AGENTS_COUNTED) break;
      this.#byAgent.delete(oldest);
    }
  }
}
