/** The table of moved blocks in memory, for tests; deletes copies out of a FakeStore. */
import { type BlockId, blockKey } from '@sluice/protocol/model';
import {
  type Copy,
  type CopyState,
  copyKey,
  type MovedCopies,
  type MovedCopy,
  type NewCopy,
} from '../store/moved-copies.ts';
import type { FakeStore } from './fake-store.ts';

const ORDER: readonly CopyState[] = ['held', 'kept', 'settled'];

export class FakeMoved implements MovedCopies {
  readonly rows: Map<string, MovedCopy> = new Map();
  /** Ages that all rows are read with. */
  ageMs = 0;
  /** Called before each step; throws for a store that is away. */
  before: () => Promise<void> = () => Promise.resolve();
  readonly #store: FakeStore;

  constructor(store: FakeStore) {
    this.#store = store;
  }

  async read(): Promise<readonly MovedCopy[]> {
    await this.before();
    return this.live();
  }

  /** What a search sees now. */
  live(): readonly MovedCopy[] {
    return [...this.rows.values()]
      .filter(({ state }) => state !== 'settled')
      .map((row) => ({ ...row, ageMs: this.ageMs }));
  }

  async readOwn(serverId: string, blocks: readonly BlockId[]): Promise<readonly MovedCopy[]> {
    await this.before();
    return blocks.flatMap((id) => this.rows.get(copyKey({ id, serverId })) ?? []);
  }

  async write(copies: readonly NewCopy[], state: CopyState): Promise<void> {
    await this.before();
    for (const copy of copies) {
      const key = copyKey(copy);
      const old = this.rows.get(key);
      if (old === undefined || ORDER.indexOf(old.state) < ORDER.indexOf(state))
        this.rows.set(key, { ...copy, state, ageMs: 0 });
    }
  }

  async deleteCopies(copies: readonly Copy[]): Promise<void> {
    await this.before();
    for (const { id, serverId } of copies) this.#store.remove(`${id.agentId}/${id.sequence}`, serverId);
  }

  async purge(): Promise<void> {
    await this.before();
    for (const [key, { state }] of this.rows) if (state === 'settled') this.rows.delete(key);
  }

  /** How often a search would find the block now. */
  shown(id: BlockId): number {
    const rows = this.live().filter((row) => blockKey(row.id) === blockKey(id));
    const kept = rows.filter(({ state }) => state === 'kept').map(({ serverId }) => serverId);
    const copies = this.#store.servers.get(`${id.agentId}/${id.sequence}`) ?? [];
    const winner = kept.toSorted()[0];
    if (winner !== undefined) return copies.filter((server) => server === winner).length;
    return copies.filter((server) => !rows.some((row) => row.serverId === server)).length;
  }
}
