/**
 * How much a counter has grown lately. Pure.
 *
 * Invariant: at most as many readings are kept as fit into the window, with the pause between them.
 */

interface Reading {
  readonly atMs: number;
  readonly total: number;
}

export class RecentIncrease {
  readonly #windowMs: number;
  readonly #pauseMs: number;
  /** The oldest first; the first one is the latest that the window does not hold, once there is one. */
  readonly #readings: Reading[] = [];

  constructor(windowMs: number, pauseMs: number) {
    this.#windowMs = windowMs;
    this.#pauseMs = pauseMs;
  }

  /** @returns by how much the counter has grown in the window before `nowMs`, as far as readings tell */
  read(total: number, nowMs: number): number {
    const latest = this.#readings.at(-1);
    if (latest === undefined || nowMs - latest.atMs >= this.#pauseMs)
      this.#readings.push({ atMs: nowMs, total });
    while ((this.#readings[1]?.atMs ?? nowMs) <= nowMs - this.#windowMs) this.#readings.shift();
    return total - (this.#readings[0]?.total ?? total);
  }
}
