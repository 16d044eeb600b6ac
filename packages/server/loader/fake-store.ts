/**
 * A store for tests: keeps the contract of batch-store.ts and fails in every way that the contract allows. It also checks
 * the loader's side of the contract: one token never comes with two contents.
 */
import { SluiceError } from '@sluice/base/error';
import { blockKey } from '@sluice/protocol/model';
import type { JournalBatch } from '../journal/journal-records.ts';
import type { BatchStore, InsertRequest, WantedBlock } from './batch-store.ts';

/** What happens to one attempt. `hang` ones end with the signal only, and after a crash not at all. */
export type Fate = 'apply' | 'fail' | 'apply_then_fail' | 'hang' | 'apply_then_hang';

/** The body that the fake store understands: the names of the blocks. */
export function fakeBody(batch: JournalBatch): Buffer {
  return Buffer.from(
    JSON.stringify(batch.blocks.map(({ header: { id } }) => `${id.agentId}/${id.sequence}`)),
  );
}

export class FakeStore implements BatchStore {
  /** How often each block is in the store. */
  readonly rows: Map<string, number> = new Map();
  /** Whose copies these are. */
  readonly servers: Map<string, string[]> = new Map();
  readonly attempts: InsertRequest[] = [];
  /** Breaches of the contract. */
  readonly breaches: string[] = [];
  /** Blocks whose data is refused. */
  readonly refused: Set<string> = new Set();
  /** Blocks that are refused without saying whose fault it is. */
  readonly doubted: Set<string> = new Set();
  /** Decides on each attempt, by default that all goes well. */
  fate: (request: InsertRequest) => Fate = () => 'apply';
  readonly #contents = new Map<string, string>();
  readonly #applied = new Set<string>();

  async insertBlocks(request: InsertRequest): Promise<void> {
    this.attempts.push(request);
    const { deduplicationToken: token, zstdBody, signal } = request;
    const content = zstdBody.toString();
    if ((this.#contents.get(token) ?? content) !== content) this.breaches.push(`two contents under ${token}`);
    this.#contents.set(token, content);
    const names: string[] = JSON.parse(content);
    const fate = this.fate(request);
    if (fate === 'fail') throw new SluiceError('not_reachable', 'the store is away');
    if (fate !== 'hang') this.#apply(token, names);
    if (fate === 'apply_then_fail')
      throw new SluiceError('store_failed', 'the store died before it answered');
    if (fate === 'hang' || fate === 'apply_then_hang') await aborted(signal);
  }

  /** Says which blocks it has, as the real one does. */
  async findStored(blocks: readonly WantedBlock[]): Promise<ReadonlyMap<string, readonly string[]>> {
    return new Map(
      blocks.flatMap(({ id }): [string, readonly string[]][] => {
        const servers = this.servers.get(`${id.agentId}/${id.sequence}`);
        return servers === undefined ? [] : [[blockKey(id), [...new Set(servers)]]];
      }),
    );
  }

  /** A copy that a server brings in. */
  put(name: string, serverId: string): void {
    this.rows.set(name, (this.rows.get(name) ?? 0) + 1);
    this.servers.set(name, [...(this.servers.get(name) ?? []), serverId]);
  }

  remove(name: string, serverId: string): void {
    const left = (this.servers.get(name) ?? []).filter((server) => server !== serverId);
    if (left.length === 0) {
      this.servers.delete(name);
      this.rows.delete(name);
    } else {
      this.servers.set(name, left);
      this.rows.set(name, left.length);
    }
  }

  /** As after many other inserts: the window of tokens has moved on. */
  forgetTokens(): void {
    this.#applied.clear();
  }

  #apply(token: string, names: readonly string[]): void {
    const refused = names.filter((name) => this.refused.has(name));
    if (refused.length > 0) throw new SluiceError('block_malformed', `cannot read ${refused.join()}`);
    const doubted = names.filter((name) => this.doubted.has(name));
    if (doubted.length > 0) throw new SluiceError('insert_refused', `says no to ${doubted.join()}`);
    if (this.#applied.has(token)) return;
    this.#applied.add(token);
    // A token begins with the id of its server.
    for (const name of names) this.put(name, token.slice(0, token.indexOf('/')));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new SluiceError('not_reachable', 'given up'));
    signal.addEventListener('abort', () => reject(new SluiceError('not_reachable', 'given up')));
  });
}
