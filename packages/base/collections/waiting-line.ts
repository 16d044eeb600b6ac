/**
 * A line of waiting items that is looked at in two orders: which item is served next (by rank, then by what it was given
 * before, then by what is due first, then by number), and which one has waited longest (for deadlines).
 *
 * Invariants: an item is in the line at most once; every operation is O(log n) amortized, however many wait.
 */
import type { Handle } from './handle.ts';
import { RemovalHeap } from './removal-heap.ts';

/** Where an item stands: lower numbers are served first, compared from left to right. */
export interface LineOrder {
  readonly rank: number;
  readonly served: number;
  readonly due: number;
  readonly number: number;
}

interface Place<T> extends LineOrder {
  readonly item: T;
}

export class WaitingLine<T> {
  readonly #heap = new RemovalHeap<Place<T>>(isBefore);
  readonly #handles = new Map<T, Handle<Place<T>>>();

  get size(): number {
    return this.#handles.size;
  }

  /** The item that is served next; undefined when none waits. */
  get first(): T | undefined {
    return this.#heap.first?.item;
  }

  /** The item that has waited longest; undefined when none waits. */
  get longestWaiting(): T | undefined {
    for (const item of this.#handles.keys()) return item;
    return undefined;
  }

  /** Adds the item. One that waits already gets its new place in the order, and has waited as long as before. */
  add(item: T, order: LineOrder): void {
    const earlier = this.#handles.get(item);
    if (earlier !== undefined) this.#heap.remove(earlier);
    this.#handles.set(item, this.#heap.add({ item, ...order }));
  }

  /** Removes the item, if it waits. */
  remove(item: T): void {
    const handle = this.#handles.get(item);
    if (handle === undefined) return;
    this.#heap.remove(handle);
    this.#handles.delete(item);
  }
}

function isBefore(a: LineOrder, b: LineOrder): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.served !== b.served) return a.served < b.served;
  if (a.due !== b.due) return a.due < b.due;
  return a.number < b.number;
}
