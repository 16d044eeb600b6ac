/**
 * The one timer of a state machine: each wish to be woken replaces the earlier one.
 *
 * Invariant: it wakes early rather than late where a wish is further away than a timer of the platform can be; a machine that is
 * woken early wishes again.
 */

/** Longest time of a timer of Node; with a longer one it fires at once. */
const MAX_TIMER_MS = 2_147_483_647;

export class WakeTimer {
  readonly #now: () => number;
  readonly #wake: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param now the clock that the wishes are in, in ms. */
  constructor(now: () => number, wake: () => void) {
    this.#now = now;
    this.#wake = wake;
  }

  /** Wakes at this time, or at once when it is past; not at the time that was set before. */
  set(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#wake, Math.min(Math.max(0, atMs - this.#now()), MAX_TIMER_MS));
  }

  /** Wakes no more, until it is set again. */
  cancel(): void {
    clearTimeout(this.#timer);
  }
}
