/** Tries a step until it has a result, as long as its process lives. */
import type { World } from './world.ts';

/** Pause before a step that failed is tried again. */
const RETRY_MS = 100;

export class Retrying {
  readonly #world: World;
  #isDead = false;

  constructor(world: World) {
    this.#world = world;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  kill(): void {
    this.#isDead = true;
  }

  /** Calls `next` with the first result that is not undefined. */
  untilDone<T>(attempt: (done: (result: T | undefined) => void) => void, next: (result: T) => void): void {
    if (this.#isDead) return;
    attempt((result) => {
      if (this.#isDead) return;
      if (result === undefined) this.later(RETRY_MS, () => this.untilDone(attempt, next));
      else next(result);
    });
  }

  later(ms: number, action: () => void): void {
    this.#world.after(ms, () => {
      if (!this.#isDead) action();
    });
  }
}
