/**
 * How far a server moves its priorities down: for load, for agents of another region, as a standby (U17), and because agents
 * told of priority violations (U11).
 *
 * Invariants: deterministic; all channels of a grant move by the same shift, so their order within the server never changes.
 */
import { LOADED_FRACTION, UNLOADED_FRACTION } from './limits.ts';
import type { AgentId } from './model.ts';
import type { Agent } from './server-state.ts';
import { Yielding } from './yielding.ts';

export interface RankingOptions {
  /** Added to all priorities: a standby ranks behind. Default 0. */
  readonly priorityOffset?: number;
  /** Added while the journal is mostly full. Default 0. */
  readonly loadedOffset?: number;
  /** Added for agents of another region. Default 0. */
  readonly remoteOffset?: number;
}

export class Ranking {
  readonly #options: RankingOptions;
  readonly #yielding: Yielding;
  #isLoaded = false;

  /** @param yieldMemoryMs how long after the latest notice a server may lead again. */
  constructor(options: RankingOptions, yieldMemoryMs: number) {
    this.#options = options;
    this.#yielding = new Yielding(yieldMemoryMs);
  }

  /** The journal is mostly full. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  passTime(nowMs: number): void {
    this.#yielding.passTime(nowMs);
  }

  /** A full journal ranks this server lower for its next grants, an emptier one as before: with hysteresis. */
  judgeLoad(fullness: number): void {
    if (fullness >= LOADED_FRACTION) this.#isLoaded = true;
    else if (fullness <= UNLOADED_FRACTION) this.#isLoaded = false;
  }

  /** The agent told of a violation: its next grants move down by `shift`, for a while. */
  yieldTo(agentId: AgentId, shift: number, nowMs: number): void {
    this.#yielding.told(agentId, shift, nowMs);
  }

  /** What is added to the priorities of the agent's channels at present. */
  shiftOf({ agentId, isRemote }: Agent, nowMs: number): number {
    const yieldedBy = this.#yielding.shiftOf(agentId, nowMs);
    const { priorityOffset = 0, loadedOffset = 0, remoteOffset = 0 } = this.#options;
    const distance = isRemote ? remoteOffset : 0;
    return Math.max(yieldedBy, distance + priorityOffset + (this.#isLoaded ? loadedOffset : 0));
  }
}
