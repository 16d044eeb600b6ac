/**
 * The store that all servers load into, as far as exactly-once is concerned: an insert with a token that it has applied
 * already changes nothing; an insert is applied whole or not at all; it can be asked which blocks it has; and it keeps the
 * table of moved blocks (packages/server/store/moved-copies.ts).
 *
 * Invariants: what the store was sent it may apply although its sender died meanwhile; states of copies only grow.
 */
import type { BlockId, ServerId } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { CopyState, World } from './world.ts';

/** By block: the servers whose copies are in the store. */
export type StoredBlocks = ReadonlyMap<string, readonly ServerId[]>;

/** A row of the table of moved blocks. */
export interface MovedRow {
  readonly id: BlockId;
  readonly serverId: ServerId;
  readonly state: CopyState;
  readonly changedMs: number;
}

const STATES: readonly CopyState[] = ['held', 'kept', 'settled'];

export class StoreModel {
  readonly #world: World;
  readonly #stored = new Map<string, ServerId[]>();
  readonly #tokens = new Set<string>();
  readonly #moved = new Map<string, MovedRow>();
  #awayUntilMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The store's own clock. */
  get nowMs(): number {
    return this.#world.nowMs;
  }

  /** Answers nothing and applies nothing new for so long; what it was sent before may still be applied. */
  away(ms: number): void {
    this.#awayUntilMs = this.#world.nowMs + ms;
  }

  /** `done` tells whether the sender was told yes, here and below. */
  insert(
    serverId: ServerId,
    token: string,
    keys: readonly string[],
    done: (isConfirmed: boolean) => void,
  ): void {
    const apply = (): void => {
      if (this.#tokens.has(token)) return;
      this.#tokens.add(token);
      for (const key of keys) this.#stored.set(key, [...(this.#stored.get(key) ?? []), serverId]);
      this.#world.observe({ type: 'blocks_stored', serverId, token, keys });
    };
    this.#write(apply, done);
  }

  /** Takes a server's copies of blocks out. */
  deleteCopies(serverId: ServerId, keys: readonly string[], done: (isConfirmed: boolean) => void): void {
    const apply = (): void => {
      for (const key of keys) {
        this.#stored.set(
          key,
          (this.#stored.get(key) ?? []).filter((other) => other !== serverId),
        );
      }
      this.#world.observe({ type: 'copies_deleted', serverId, keys });
    };
    this.#write(apply, done);
  }

  /** Writes what is to become of a server's copies. */
  mark(
    serverId: ServerId,
    state: CopyState,
    ids: readonly BlockId[],
    done: (isConfirmed: boolean) => void,
  ): void {
    const apply = (): void => {
      for (const id of ids) {
        const row = `${blockKey(id)} ${serverId}`;
        const before = this.#moved.get(row);
        if (before !== undefined && STATES.indexOf(before.state) >= STATES.indexOf(state)) continue;
        this.#moved.set(row, { id, serverId, state, changedMs: this.#world.nowMs });
      }
      this.#world.observe({ type: 'copies_marked', serverId, state, keys: ids.map(blockKey) });
    };
    this.#write(apply, done);
  }

  /** False while the table of moved blocks is empty: what makes looking at it cheap here as well. */
  get hasRows(): boolean {
    return this.#moved.size > 0;
  }

  /** The table of moved blocks; undefined when the store does not answer. */
  rows(done: (rows: readonly MovedRow[] | undefined) => void): void {
    this.#ask(() => [...this.#moved.values()], done);
  }

  /** Which of the blocks it has, and by whose hand; undefined when it does not answer. */
  find(keys: readonly string[], done: (found: StoredBlocks | undefined) => void): void {
    const look = (): StoredBlocks => {
      const found = new Map<string, readonly ServerId[]>();
      for (const key of keys) {
        const servers = this.#stored.get(key) ?? [];
        if (servers.length > 0) found.set(key, servers);
      }
      return found;
    };
    this.#ask(look, done);
  }

  get #isAway(): boolean {
    return this.#world.isFaulty && this.#world.nowMs < this.#awayUntilMs;
  }

  #fails(): boolean {
    const { isFaulty, options, chance } = this.#world;
    return this.#isAway || (isFaulty && chance.store.chance(options.faults.storeFailures));
  }

  #write(apply: () => void, done: (isConfirmed: boolean) => void): void {
    const fails = this.#fails();
    const applies = !this.#isAway && (!fails || this.#world.chance.store.chance(0.5));
    this.#world.after(this.#latencyMs(), () => {
      if (applies) apply();
      done(!fails);
    });
  }

  #ask<T>(look: () => T, done: (answer: T | undefined) => void): void {
    const fails = this.#fails();
    this.#world.after(this.#latencyMs(), () => done(fails ? undefined : look()));
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
