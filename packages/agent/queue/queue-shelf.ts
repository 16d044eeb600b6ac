/**
 * The blocks of the queue that no server takes, kept for people.
 *
 * Invariants: what is on the shelf is not in the queue, and the other way round (both change in one transaction); within the
 * bounds of packages/durable/set-aside-shelf.ts, the newest kept.
 */
import type { Transaction } from '@sluice/durable/lmdb/environment';
import { SetAsideShelf } from '@sluice/durable/set-aside-shelf';
import type { AgentId, BlockHeader } from '@sluice/protocol/model';
import type { QueueDatabases } from './queue-databases.ts';
import { loadHeader, parseStoredAside, type StoredAside, type StoredHeader } from './stored.ts';

/** A block that no server takes. */
export interface SetAsideBlock {
  readonly header: BlockHeader;
  readonly reason: string;
  readonly atMs: number;
}

/** What the index knows of a block; its number is its sequence. */
interface Shelved extends StoredAside {
  readonly number: number;
  readonly payloadBytes: number;
}

/** Commits what makes the queue smaller or keeps its size. */
export type CommitShrinking = (action: (write: Transaction) => void) => Promise<void>;

export class QueueShelf {
  readonly #databases: QueueDatabases;
  readonly #agentId: AgentId;
  readonly #index: SetAsideShelf<Shelved>;

  constructor(databases: QueueDatabases, agentId: AgentId) {
    this.#databases = databases;
    this.#agentId = agentId;
    const { asideHeaders, environment } = databases;
    const stored = [...asideHeaders.entries()].map(([number, value]) =>
      shelved(number, parseStoredAside(value, environment.name)),
    );
    this.#index = new SetAsideShelf(stored);
  }

  get blockCount(): number {
    return this.#index.blockCount;
  }

  get payloadBytes(): number {
    return this.#index.payloadBytes;
  }

  /** The oldest first. */
  blocks(): SetAsideBlock[] {
    return this.#index.blocks().map(({ number, header, reason, atMs }) => {
      return { header: loadHeader(this.#agentId, number, header), reason, atMs };
    });
  }

  /** The payload of a block; undefined when it is not here. */
  readPayload(sequence: number): Buffer | undefined {
    if (this.#index.find(sequence) === undefined) return undefined;
    const { asidePayloads, environment } = this.#databases;
    return environment.latch.read(() => asidePayloads.get(sequence));
  }

  /**
   * Puts a block on the shelf, and drops the oldest ones beyond its bounds.
   *
   * @param also goes into the same transaction
   * @returns how many were dropped
   */
  async put(
    commit: CommitShrinking,
    block: { sequence: number; header: StoredHeader; payload: Buffer; reason: string },
    also: (write: Transaction) => void,
  ): Promise<number> {
    const { asideHeaders, asidePayloads } = this.#databases;
    const { sequence, header, payload, reason } = block;
    const aside: StoredAside = { header, reason, atMs: Date.now() };
    this.#index.put(shelved(sequence, aside));
    const evicted = this.#index.evict();
    try {
      await commit((write) => {
        write.put(asidePayloads, sequence, payload);
        write.put(asideHeaders, sequence, aside);
        for (const { number } of evicted) this.#removeStored(write, number);
        also(write);
      });
    } catch (error) {
      this.#index.drop(sequence);
      for (const one of evicted) if (one.number !== sequence) this.#index.put(one);
      throw error;
    }
    return evicted.length;
  }

  /**
   * Takes a block off the shelf.
   *
   * @param also goes into the same transaction
   * @returns whether it was there
   */
  async take(
    commit: CommitShrinking,
    sequence: number,
    also: (write: Transaction, header: StoredHeader) => void = nothing,
  ): Promise<boolean> {
    const [block] = this.#index.take([sequence]);
    if (block === undefined) return false;
    try {
      await commit((write) => {
        this.#removeStored(write, sequence);
        also(write, block.header);
      });
    } catch (error) {
      this.#index.put(block);
      throw error;
    }
    return true;
  }

  #removeStored(write: Transaction, sequence: number): void {
    write.remove(this.#databases.asideHeaders, sequence);
    write.remove(this.#databases.asidePayloads, sequence);
  }
}

function shelved(number: number, aside: StoredAside): Shelved {
  return { number, payloadBytes: aside.header.payloadBytes, ...aside };
}

function nothing(): void {
  // The block goes, and nothing comes of it.
}
