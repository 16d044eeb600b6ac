/**
 * A binary heap: the first of many by an order, without keeping the rest sorted.
 *
 * Invariants: `first` comes before or with every other item; `add` and `takeFirst` are O(log n), `first` and `size` O(1).
 */
export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  #items: T[] = [];

  /** @param isBefore a strict order, true when a comes before b. */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item by the order; undefined when there is none. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Adds the item at its place in the order. */
  add(item: T): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      items[index] = parent;
      index = parentIndex;
    }
    items[index] = item;
  }

  /** Removes the first item and returns it; undefined when there is none. */
  takeFirst(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = items[childIndex];
      if (child === undefined) break;
      const right = items[childIndex + 1];
      if (right !== undefined && this.#isBefore(right, child)) {
        childIndex += 1;
        child = right;
      }
      if (!this.#isBefore(child, last)) break;
      items[index] = child;
      index = childIndex;
    }
    items[index] = last;
    return first;
  }

  /** Removes all items but these: O(n log n). */
  retain(isKept: (item: T) => boolean): void {
    const items = this.#items;
    this.#items = [];
    for (const item of items) if (isKept(item)) this.add(item);
  }
}
