/**
 * When what is put on a link arrives: it leaves at the link's rate, one piece after the other, and then takes the delay.
 * Times are milliseconds of any clock that only goes forward.
 *
 * Invariants: no piece leaves before it was there, nor before the one ahead of it has left; as long as something waits, the
 * line carries what its rate allows, also when it is served late, by up to MAX_LATE_MS.
 */

/** A program that shares its processor is late by so much; what is more is time in which the line could carry nothing. */
const MAX_LATE_MS = 100;

export class LinkLine {
  readonly #bytesPerMs: number;
  readonly #oneWayMs: number;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** @param bytesPerSecond Infinity for a line without a limit */
  constructor(bytesPerSecond: number, oneWayMs: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#oneWayMs = oneWayMs;
  }

  /** From when on the next piece may be put on the line. */
  get freeAtMs(): number {
    return this.#freeAtMs;
  }

  /** @returns the bytes that leave in so many milliseconds, rounded down */
  bytesIn(milliseconds: number): number {
    return Math.floor(this.#bytesPerMs * milliseconds);
  }

  /**
   * Puts a piece on the line.
   * @param waitsSinceMs when it came, at most `nowMs`
   * @returns when its last byte arrives
   */
  carry(bytes: number, waitsSinceMs: number, nowMs: number): number {
    const startMs = Math.max(this.#freeAtMs, waitsSinceMs, nowMs - MAX_LATE_MS);
    this.#freeAtMs = startMs + bytes / this.#bytesPerMs;
    return this.#freeAtMs + this.#oneWayMs;
  }
}
