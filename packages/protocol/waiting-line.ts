/**
 * Who waits for a grant, first come first served within a rank: a heap for the order of service, and the order of
 * asking for the deadlines.
 *
 * Invariants: an item stands in the line once; every operation is O(log n) amortized, however many wait.
 */

import { Heap } from './heap.ts';

interface Place<T> {
  readonly item: T;
  readonly rank: number;
  readonly served: number;
  readonly number: number;
  /** False once it left the line or was placed anew: the heap skips it. */
  live: boolean;
}

/** Stale places that the heap may hold beyond twice its live ones, before it is made anew. */
const MAX_STALE_PLACES = 64;

export class WaitingLine<T> {
  readonly #heap = new Heap<Place<T>>(isBefore);
  readonly #places = new Map<T, Place<T>>();

  get size(): number {
    return this.#places.size;
  }

  /** Puts the item in by rank, then by what it was given before (lower first), then by number. It keeps its time of asking. */
  put(item: T, order: { readonly rank: number; readonly served: number; readonly number: number }): void {
    const before = this.#places.get(item);
    if (before !== undefined) before.live = false;
    const place = { item, ...order, live: true };
    this.#places.set(item, place);
    this.#heap.push(place);
    if (this.#heap.size > 2 * this.#places.size + MAX_STALE_PLACES) this.#heap.refill(this.#places.values());
  }

  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    place.live = false;
    this.#places.delete(item);
  }

  /** Who is to be served next. */
  first(): T | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      if (top.live) return top.item;
      this.#heap.pop();
    }
    return undefined;
  }

  /** Who has been in the line longest. */
  longest(): T | undefined {
    for (const item of this.#places.keys()) return item;
    return undefined;
  }
}

function isBefore<T>(a: Place<T>, b: Place<T>): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.served !== b.served) return a.served < b.served;
  return a.number < b.number;
}
