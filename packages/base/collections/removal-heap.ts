/**
 * A heap whose items can be taken out wherever they lie.
 *
 * Invariants: `first` is the first of what is in it; of what was taken out it holds at most as much as is in it, and
 * {@link MAX_DEAD_SLOTS} more; every operation is O(log n) amortized.
 */
import { Heap } from './heap.ts';
import type { Slot } from './slot.ts';
import { isCrowded } from './slot.ts';

export class RemovalHeap<T> {
  readonly #heap: Heap<Slot<T>>;
  #liveCount = 0;

  /** @param isBefore a strict order, true when a comes before b. */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#heap = new Heap((a, b) => isBefore(a.item, b.item));
  }

  get size(): number {
    return this.#liveCount;
  }

  /** The first item; undefined when there is none. */
  get first(): T | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      if (top.isLive) return top.item;
      this.#heap.pop();
    }
    return undefined;
  }

  /** Puts the item in; the slot takes it out again. */
  push(item: T): Slot<T> {
    const slot = { item, isLive: true };
    this.#heap.push(slot);
    this.#liveCount += 1;
    return slot;
  }

  /** Takes the item of the slot out, if it is in. */
  remove(slot: Slot<T>): void {
    if (!slot.isLive) return;
    slot.isLive = false;
    this.#liveCount -= 1;
    if (isCrowded(this.#heap.size, this.#liveCount)) this.#heap.retain(({ isLive }) => isLive);
  }
}
