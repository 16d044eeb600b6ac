/**
 * A queue, first in first out.
 *
 * Invariants: every operation is O(1) amortized, and what was taken out is not held.
 */
export class Fifo<T> {
  readonly #items: T[] = [];
  #taken = 0;

  /** What was put in first of what is still in. */
  get first(): T | undefined {
    return this.#items[this.#taken];
  }

  put(item: T): void {
    this.#items.push(item);
  }

  /** Takes the first out. */
  drop(): void {
    if (this.#taken === this.#items.length) return;
    this.#taken += 1;
    if (this.#taken * 2 <= this.#items.length) return;
    this.#items.splice(0, this.#taken);
    this.#taken = 0;
  }
}
