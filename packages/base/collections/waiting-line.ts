/**
 * Who waits for a grant, first come first served within a rank: a heap for the order of service, and the order of
 * asking for the deadlines.
 *
 * Invariants: an item stands in the line once; every operation is O(log n) amortized, however many wait.
 */
import { RemovalHeap } from './removal-heap.ts';
import type { Slot } from './slot.ts';

interface Place<T> {
  readonly item: T;
  readonly rank: number;
  readonly served: number;
  readonly number: number;
}

export class WaitingLine<T> {
  readonly #heap = new RemovalHeap<Place<T>>(isBefore);
  readonly #slots = new Map<T, Slot<Place<T>>>();

  get size(): number {
    return this.#slots.size;
  }

  /** Puts the item in by rank, then by what it was given before (lower first), then by number. It keeps its time of asking. */
  put(item: T, order: { readonly rank: number; readonly served: number; readonly number: number }): void {
    const before = this.#slots.get(item);
    if (before !== undefined) this.#heap.remove(before);
    this.#slots.set(item, this.#heap.push({ item, ...order }));
  }

  remove(item: T): void {
    const slot = this.#slots.get(item);
    if (slot === undefined) return;
    this.#heap.remove(slot);
    this.#slots.delete(item);
  }

  /** Who is to be served next. */
  first(): T | undefined {
    return this.#heap.first?.item;
  }

  /** Who has been in the line longest. */
  longest(): T | undefined {
    for (const item of this.#slots.keys()) return item;
    return undefined;
  }
}

function isBefore<T>(a: Place<T>, b: Place<T>): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.served !== b.served) return a.served < b.served;
  return a.number < b.number;
}
