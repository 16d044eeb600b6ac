/**
 * The store that all servers load into, as far as exactly-once is concerned: an insert with a token that it has applied
 * already changes nothing; an insert is applied whole or not at all; it can be asked which blocks it has.
 *
 * Invariants: what the store was sent it may apply although its sender died meanwhile.
 */
import type { World } from './world.ts';

export class StoreModel {
  readonly #world: World;
  readonly #counts = new Map<string, number>();
  readonly #tokens = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** `done` tells whether the sender was told yes. */
  insert(token: string, keys: readonly string[], done: (isConfirmed: boolean) => void): void {
    const { store } = this.#world.chance;
    const { isFaulty, options } = this.#world;
    const fails = isFaulty && store.chance(options.faults.storeFailures);
    const applies = !fails || store.chance(0.5);
    this.#world.after(this.#latencyMs(), () => {
      if (applies && !this.#tokens.has(token)) {
        this.#tokens.add(token);
        for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
        this.#world.observe({ type: 'blocks_stored', token, keys });
      }
      done(!fails);
    });
  }

  /** Which of the blocks it has; undefined when it does not answer. */
  find(keys: readonly string[], done: (found: ReadonlySet<string> | undefined) => void): void {
    const { store } = this.#world.chance;
    const fails = this.#world.isFaulty && store.chance(this.#world.options.faults.storeFailures);
    this.#world.after(this.#latencyMs(), () =>
      done(fails ? undefined : new Set(keys.filter((key) => this.#counts.has(key)))),
    );
  }

  #latencyMs(): number {
    const { store } = this.#world.chance;
    const { isFaulty, options } = this.#world;
    const latencyMs = store.skewed(1, options.mostInsertMs);
    return isFaulty && store.chance(options.faults.storeDelays)
      ? latencyMs + store.int(500, 5_000)
      : latencyMs;
  }
}
