/**
 * Deterministic random numbers (mulberry32): for jitter in the machines, and for everything that is drawn in simulations and
 * tests. The seed is an option, so a run can be repeated exactly.
 *
 * Invariants of this module: same seed and name, same sequence; not for secrets.
 */

const UINT32_VALUES = 4_294_967_296;

export class Random {
  #state: number;

  /**
   * @param seed any integer
   * @param name keeps the sequences of one seed apart: each concern draws from its own, so that switching one off changes the
   * others as little as possible (a failing simulation shrinks well). Left out: the plain sequence of the seed.
   */
  constructor(seed: number, name?: string) {
    this.#state = seed >>> 0;
    if (name === undefined) return;
    let mixed = seed ^ 0x9e3779b9;
    for (let index = 0; index < name.length; index += 1) {
      mixed = Math.imul(mixed ^ name.charCodeAt(index), 0x01000193);
    }
    this.#state = mixed >>> 0;
    this.next();
  }

  /** 0 (included) to 1 (not included). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / UINT32_VALUES;
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** One of the items; there must be at least one. */
  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }

  /** A whole number from `least` to `most`, evenly over its logarithm: small ones far more often, as sizes and delays are. */
  skewed(least: number, most: number): number {
    const low = Math.log(least + 1);
    const drawn = Math.round(Math.exp(low + this.next() * (Math.log(most + 1) - low))) - 1;
    return Math.min(most, Math.max(least, drawn));
  }

  /** Milliseconds to the next of events that happen `perMinute` times a minute on average; Infinity for never. */
  untilNextMs(perMinute: number): number {
    if (perMinute <= 0) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.round((-Math.log(1 - this.next()) * 60_000) / perMinute));
  }
}
