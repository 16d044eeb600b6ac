/**
 * Moments of reading that tell one turn from the next. Several turns may come within one millisecond, and records of one moment
 * stand in the order of their places: a file that took the name of another one begins at 0, so its lines came before those at
 * the end of the other.
 *
 * Invariant: what is handed out within one millisecond grows, by microseconds, and stays within it.
 */

/** More turns than this do not come within a millisecond; their moments would be those of the next one. */
const MAX_STEPS = 999;
const STEPS_PER_MS = 1000;

export class Moments {
  #nowMs = Number.NaN;
  #steps = 0;

  /** @param nowMs whole milliseconds since 1970; @returns milliseconds with a fraction: whole microseconds */
  next(nowMs: number): number {
    this.#steps = nowMs === this.#nowMs ? Math.min(this.#steps + 1, MAX_STEPS) : 0;
    this.#nowMs = nowMs;
    return nowMs + this.#steps / STEPS_PER_MS;
  }
}
