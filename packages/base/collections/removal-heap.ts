/**
 * A heap whose items can also be removed wherever they stand.
 *
 * Invariants: `first` comes before or with every other item that is in; of removed items it holds at most as many as are in
 * it, and {@link MAX_REMOVED_HANDLES} more; every operation is O(log n) amortized.
 */
import type { Handle } from './handle.ts';
import { needsSweep } from './handle.ts';
import { Heap } from './heap.ts';

export class RemovalHeap<T> {
  readonly #heap: Heap<Handle<T>>;
  #size = 0;

  /** @param isBefore a strict order, true when a comes before b. */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#heap = new Heap((a, b) => isBefore(a.item, b.item));
  }

  get size(): number {
    return this.#size;
  }

  /** The first item by the order; undefined when there is none. */
  get first(): T | undefined {
    for (let handle = this.#heap.first; handle !== undefined; handle = this.#heap.first) {
      if (!handle.isRemoved) return handle.item;
      this.#heap.takeFirst();
    }
    return undefined;
  }

  /** Adds the item at its place in the order. */
  add(item: T): Handle<T> {
    const handle = { item, isRemoved: false };
    this.#heap.add(handle);
    this.#size += 1;
    return handle;
  }

  /** Removes the item of the handle, if it is still in. */
  remove(handle: Handle<T>): void {
    if (handle.isRemoved) return;
    handle.isRemoved = true;
    this.#size -= 1;
    if (needsSweep(this.#heap.size, this.#size)) this.#heap.retain(({ isRemoved }) => !isRemoved);
  }
}
