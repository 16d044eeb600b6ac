/**
 * Who waits for a grant, first come first served within a rank: a heap for the order of service, and the order of
 * asking for the deadlines.
 *
 * Invariants: an item stands in the line once; every operation is O(log n) amortized, however many wait.
 */

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
  #heap: Place<T>[] = [];
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
    this.#up(this.#heap.length - 1);
    if (this.#heap.length > 2 * this.#places.size + MAX_STALE_PLACES) this.#renew();
  }

  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    place.live = false;
    this.#places.delete(item);
  }

  /** Who is to be served next. */
  first(): T | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.live) return top.item;
      const last = this.#heap.pop();
      if (last === undefined || this.#heap.length === 0) continue;
      this.#heap[0] = last;
      this.#down(0);
    }
    return undefined;
  }

  /** Who has been in the line longest. */
  longest(): T | undefined {
    for (const item of this.#places.keys()) return item;
    return undefined;
  }

  #renew(): void {
    // A sorted list is a heap.
    this.#heap = [...this.#places.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #up(start: number): void {
    for (let index = start; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#swapUnlessOrdered(parent, index)) return;
      index = parent;
    }
  }

  #down(start: number): void {
    for (let index = start; ; ) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1;
      if (!this.#swapUnlessOrdered(index, child)) return;
      index = child;
    }
  }

  #swapUnlessOrdered(parent: number, child: number): boolean {
    const above = this.#heap[parent];
    const below = this.#heap[child];
    if (above === undefined || below === undefined || !isBefore(below, above)) return false;
    this.#heap[parent] = below;
    this.#heap[child] = above;
    return true;
  }
}

function isBefore<T>(a: Place<T>, b: Place<T>): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.served !== b.served) return a.served < b.served;
  return a.number < b.number;
}
