/**
 * The blocks of the journal that the store refused for good.
 *
 * Invariant: within the bounds of packages/durable/set-aside-shelf.ts, the newest kept.
 */
import type { Transaction } from '@sluice/durable/lmdb/environment';
import { SetAsideShelf } from '@sluice/durable/set-aside-shelf';
import { type JournalBatch, LOWEST_LANE, type SetAsideBlock } from './journal-records.ts';
import type { JournalStore } from './journal-store.ts';
import type { JournalWriter } from './journal-writer.ts';

export class JournalShelf {
  readonly #store: JournalStore;
  readonly #index: SetAsideShelf<SetAsideBlock>;
  #droppedTotal = 0;

  constructor(store: JournalStore) {
    this.#store = store;
    this.#index = new SetAsideShelf(store.setAsideBlocks());
  }

  /** Payload bytes of all of them. */
  get payloadBytes(): number {
    return this.#index.payloadBytes;
  }

  get blockCount(): number {
    return this.#index.blockCount;
  }

  /** Blocks that were dropped because too many were kept, since the start. */
  get droppedTotal(): number {
    return this.#droppedTotal;
  }

  /** The oldest first. */
  blocks(): readonly SetAsideBlock[] {
    return this.#index.blocks();
  }

  /** Puts the blocks of a batch, which goes, on the shelf. Resolves when that is durable. */
  async put(writer: JournalWriter, batch: JournalBatch, reason: string): Promise<void> {
    let evicted: readonly SetAsideBlock[] = [];
    const numbers = new Set(batch.blocks.map(({ number }) => number));
    await writer.submit({
      rank: batch.lane,
      bytes: 0,
      apply: (write) => {
        this.#store.removeBatch(write, batch);
        for (const block of batch.blocks) {
          this.#store.moveAside(write, block, reason);
          this.#index.put({ ...block, reason });
        }
        evicted = this.#index.evict();
        for (const block of evicted) this.#store.removeSetAside(write, block);
      },
      revert: () => {
        for (const number of numbers) this.#index.drop(number);
        for (const block of evicted) if (!numbers.has(block.number)) this.#index.put(block);
      },
    });
    this.#droppedTotal += evicted.length;
  }

  /**
   * Takes the blocks off that are here. Resolves to them when that is durable.
   *
   * @param change says for each what becomes of it
   */
  async take(
    writer: JournalWriter,
    numbers: readonly number[],
    change: (write: Transaction, block: SetAsideBlock) => void,
  ): Promise<readonly SetAsideBlock[]> {
    const blocks = this.#index.take(numbers);
    if (blocks.length === 0) return blocks;
    await writer.submit({
      rank: LOWEST_LANE,
      bytes: 0,
      apply: (write) => {
        for (const block of blocks) change(write, block);
      },
      revert: () => {
        for (const block of blocks) this.#index.put(block);
      },
    });
    return blocks;
  }
}
