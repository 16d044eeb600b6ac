/**
 * What changed of the known blocks and is not yet on disk. It rides along with the next commit, and comes back when that
 * commit fails.
 *
 * Invariant: what is forgotten is dropped before the rest is put, and an agent that is forgotten is not put.
 */
import type { Forgotten, KnownAgent } from './known-blocks.ts';

export class KnownChanges {
  readonly agents: Set<KnownAgent> = new Set();
  readonly chunks: Map<KnownAgent, Set<number>> = new Map();
  readonly forgotten: Forgotten[] = [];

  get isEmpty(): boolean {
    return this.agents.size === 0 && this.forgotten.length === 0;
  }

  touch(agent: KnownAgent, chunk: number): void {
    this.agents.add(agent);
    const chunks = this.chunks.get(agent);
    if (chunks === undefined) this.chunks.set(agent, new Set([chunk]));
    else chunks.add(chunk);
  }

  forget(forgotten: Forgotten): void {
    this.forgotten.push(forgotten);
    if (!forgotten.whole) return;
    this.agents.delete(forgotten.agent);
    this.chunks.delete(forgotten.agent);
  }

  /** Takes back what a failed commit did not write. */
  takeOver(other: KnownChanges): void {
    this.forgotten.unshift(...other.forgotten);
    for (const agent of other.agents) this.agents.add(agent);
    for (const [agent, chunks] of other.chunks) {
      for (const chunk of chunks) this.touch(agent, chunk);
    }
  }
}
