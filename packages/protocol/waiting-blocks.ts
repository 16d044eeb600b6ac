/**
 * The blocks of one class that wait for any server, the oldest first; and, for the sake of quotas that are too small for that
 * one, the oldest of each of a few sizes (U7).
 *
 * Invariant: each block is in one heap, by its size.
 */
import type { Handle } from '@sluice/base/collections/handle';
import type { BlockEntry } from './agent-state.ts';
import { createBlockHeap, isOlder } from './block-heap.ts';
import { LEAST_BLOCK_WANTED_BYTES } from './limits.ts';

/** Upper bounds of raw bytes, each four times the one before; what is larger is in the last heap. */
const SIZES: readonly number[] = [1, 4, 16].map((times) => times * LEAST_BLOCK_WANTED_BYTES);

export class WaitingBlocks {
  readonly #heaps = [...SIZES, Number.POSITIVE_INFINITY].map(createBlockHeap);

  add(entry: BlockEntry): Handle<BlockEntry> | undefined {
    return this.#heapOf(entry)?.add(entry);
  }

  remove(entry: BlockEntry, handle: Handle<BlockEntry>): void {
    this.#heapOf(entry)?.remove(handle);
  }

  /** The oldest. */
  get first(): BlockEntry | undefined {
    let first: BlockEntry | undefined;
    for (const { first: entry } of this.#heaps) {
      if (entry !== undefined && (first === undefined || isOlder(entry, first))) first = entry;
    }
    return first;
  }

  /** The oldest of each size. */
  get firstOfSizes(): BlockEntry[] {
    return this.#heaps.flatMap(({ first }) => first ?? []);
  }

  #heapOf({ header }: BlockEntry): ReturnType<typeof createBlockHeap> | undefined {
    const index = SIZES.findIndex((mostBytes) => header.rawBytes <= mostBytes);
    return this.#heaps.at(index);
  }
}
