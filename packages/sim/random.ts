/**
 * The only source of chance in a simulation. Each concern draws from a sequence of its own, so that switching one
 * fault off changes the others as little as possible (what makes a failing run shrink).
 *
 * Invariants: same seed and name, same sequence.
 */
import type { RandomState } from '@sluice/base/random';
import { createRandom, nextRandom } from '@sluice/base/random';

export class Random {
  readonly #state: RandomState;

  /** @param name keeps the sequences of one seed apart. */
  constructor(seed: number, name: string) {
    let mixed = seed ^ 0x9e3779b9;
    for (let index = 0; index < name.length; index += 1) {
      mixed = Math.imul(mixed ^ name.charCodeAt(index), 0x01000193);
    }
    this.#state = createRandom(mixed);
    this.next();
  }

  /** 0 (included) to 1 (not included). */
  next(): number {
    return nextRandom(this.#state);
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

  /** A whole number from `least` to `most`, small ones far more often: sizes and delays of real systems. */
  skewed(least: number, most: number): number {
    const low = Math.log(least + 1);
    const drawn = Math.round(Math.exp(low + this.next() * (Math.log(most + 1) - low))) - 1;
    return Math.min(most, Math.max(least, drawn));
  }

  /** Milliseconds to the next happening of something that happens so often per minute; Infinity for never. */
  untilNextMs(perMinute: number): number {
    if (perMinute <= 0) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.round((-Math.log(1 - this.next()) * 60_000) / perMinute));
  }
}
