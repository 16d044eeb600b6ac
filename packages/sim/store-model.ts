/**
 * The store that all servers load into, as far as exactly-once is concerned: an insert with a token that it has applied
 * already changes nothing; an insert is applied whole or not at all; it can be asked which blocks it has.
 *
 * Invariants: what the store was sent it may apply although its sender died meanwhile.
 */
import type { ServerId } from '@sluice/protocol/model';
import type { CopyState, World } from './world.ts';

/** By block: the servers whose copies are in the store. */
export type StoredBlocks = ReadonlyMap<string, ReadonlySet<ServerId>>;

export class StoreModel {
  readonly #world: World;
  readonly #stored = new Map<string, Set<ServerId>>();
  readonly #tokens = new Set<string>();
  #awayUntilMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Answers nothing and applies nothing new for so long; what it was sent before may still be applied. */
  away(ms: number): void {
    this.#awayUntilMs = this.#world.nowMs + ms;
  }

  get #isAway(): boolean {
    return this.#world.isFaulty && this.#world.nowMs < this.#awayUntilMs;
  }

  /** `done` tells whether the sender was told yes. */
  insert(
    serverId: ServerId,
    token: string,
    keys: readonly string[],
    done: (isConfirmed: boolean) => void,
  ): void {
    const apply = (): void => {
      if (this.#tokens.has(token)) return;
      this.#tokens.add(token);
      for (const key of keys) {
        const servers = this.#stored.get(key) ?? new Set();
        this.#stored.set(key, servers.add(serverId));
      }
      this.#world.observe({ type: 'blocks_stored', serverId, token, keys });
    };
    this.#write(apply, done);
  }

  /** Writes what is to become of a server's copies. `done` tells whether the sender was told yes. */
  mark(
    serverId: ServerId,
    state: CopyState,
    keys: readonly string[],
    done: (isConfirmed: boolean) => void,
  ): void {
    this.#write(() => this.#world.observe({ type: 'copies_marked', serverId, state, keys }), done);
  }

  /** Which of the blocks it has, and by whose hand; undefined when it does not answer. */
  find(keys: readonly string[], done: (found: StoredBlocks | undefined) => void): void {
    const { store } = this.#world.chance;
    const { isFaulty, options } = this.#world;
    const fails = this.#isAway || (isFaulty && store.chance(options.faults.storeFailures));
    this.#world.after(this.#latencyMs(), () => {
      const found = new Map<string, ReadonlySet<ServerId>>();
      for (const key of keys) {
        const servers = this.#stored.get(key);
        if (servers !== undefined) found.set(key, new Set(servers));
      }
      done(fails ? undefined : found);
    });
  }

  #write(apply: () => void, done: (isConfirmed: boolean) => void): void {
    const { store } = this.#world.chance;
    const { isFaulty, options } = this.#world;
    const isAway = this.#isAway;
    const fails = isAway || (isFaulty && store.chance(options.faults.storeFailures));
    const applies = !isAway && (!fails || store.chance(0.5));
    this.#world.after(this.#latencyMs(), () => {
      if (applies) apply();
      done(!fails);
    });
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
