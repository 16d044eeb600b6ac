/**
 * U11: how far the lanes are moved down for each agent that has told of a priority violation, until that is forgotten.
 *
 * Invariants: kept over reconnects; a further notice moves them down further, never up, and makes the memory last anew; what
 * is forgotten is not held.
 */
import { MAX_YIELDING_AGENTS } from './limits.ts';
import type { AgentId } from './model.ts';

export class Yielding {
  readonly #memoryMs: number;
  /** Those who told first come first: each is remembered equally long. */
  readonly #yields = new Map<AgentId, { readonly shift: number; readonly untilMs: number }>();

  /** @param memoryMs how long after the latest notice a server may lead again. */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** The agent has told: its lanes move down so far. */
  told(agentId: AgentId, shift: number, nowMs: number): void {
    this.passTime(nowMs);
    const farthest = Math.max(shift, this.#yields.get(agentId)?.shift ?? 0);
    this.#yields.delete(agentId);
    this.#yields.set(agentId, { shift: farthest, untilMs: nowMs + this.#memoryMs });
    const [first] = this.#yields.keys();
    if (first !== undefined && this.#yields.size > MAX_YIELDING_AGENTS) this.#yields.delete(first);
  }

  /** Forgets what is over. */
  passTime(nowMs: number): void {
    for (const [agentId, { untilMs }] of this.#yields) {
      if (untilMs > nowMs) return;
      this.#yields.delete(agentId);
    }
  }

  /** How far the agent's lanes are moved down at present; 0 for not at all. */
  shiftOf(agentId: AgentId, nowMs: number): number {
    const yielded = this.#yields.get(agentId);
    return yielded !== undefined && yielded.untilMs > nowMs ? yielded.shift : 0;
  }
}
