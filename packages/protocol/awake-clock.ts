/**
 * The time that the agent was awake: what silence is measured in (U13, U14, U23). A process that was stopped, or a computer that
 * slept, heard nothing meanwhile because it did not listen; without this it would take every server for dead when it goes on.
 *
 * Invariant: never goes back, and is never ahead of the time of the events.
 */
import { SLEPT_MS } from './limits.ts';

export class AwakeClock {
  #nowMs = 0;
  #wakeMs = Number.POSITIVE_INFINITY;
  #sleptMs = 0;

  /** An event came at this time. @returns the time awake, in ms. */
  at(nowMs: number): number {
    // What came meanwhile is read only now, so nothing of the time since the event before counts.
    if (nowMs >= Math.max(this.#nowMs, this.#wakeMs) + SLEPT_MS) this.#sleptMs += nowMs - this.#nowMs;
    this.#nowMs = nowMs;
    return nowMs - this.#sleptMs;
  }

  /** The machine wants to be woken at this time; Infinity when it has no wish, as nothing is to be waited for. */
  wishes(wakeMs: number): void {
    this.#wakeMs = wakeMs;
  }
}
