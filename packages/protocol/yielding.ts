/**
 * U11: how far the priorities move down for each agent that told of a priority violation, until that is forgotten.
 *
 * Invariants: kept over reconnects; a further notice moves them down further, never up, and renews the memory; what is
 * forgotten is not held.
 */

import type { ConfiguredChannel } from './channel-allocation.ts';
import { MAX_YIELDING_AGENTS } from './limits.ts';
import type { AgentId, PriorityViolationNotice } from './model.ts';

export class Yielding {
  readonly #memoryMs: number;
  /** In the order of the latest notices: each is remembered equally long. */
  readonly #yields = new Map<AgentId, { readonly shift: number; readonly untilMs: number }>();

  /** @param memoryMs how long after the latest notice a server may lead again. */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** The agent told of a violation: its channels move down by `shift`. */
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

  /** How far the agent's channels are moved down at present; 0 for not at all. */
  shiftOf(agentId: AgentId, nowMs: number): number {
    const yielded = this.#yields.get(agentId);
    return yielded !== undefined && yielded.untilMs > nowMs ? yielded.shift : 0;
  }
}

/** How far the channels move down so that the highest is below all priorities that the notice names (U11). */
export function yieldShift(channels: readonly ConfiguredChannel[], notice: PriorityViolationNotice): number {
  const highest = channels[0]?.priority ?? 1;
  let lowestNamed = 0;
  for (const { heldPriorities } of notice.outrankedBy) lowestNamed = Math.max(lowestNamed, ...heldPriorities);
  return Math.max(0, lowestNamed + 1 - highest);
}
