/**
 * The virtual clock: what is to happen, ordered by time, then by the order in which it was added.
 *
 * Invariants: time never goes back; two things at the same time happen in the order in which they were added.
 */
import { Heap } from '@sluice/base/collections/heap';

interface Item {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

export class EventQueue {
  readonly #heap = new Heap<Item>(isBefore);
  #order = 0;

  get size(): number {
    return this.#heap.size;
  }

  /** When the next action is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#heap.first?.atMs ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, action: () => void): void {
    this.#heap.add({ atMs, order: this.#order, action });
    this.#order += 1;
  }

  /** Removes the next action and returns it; undefined when there is none. */
  takeFirst(): { readonly atMs: number; readonly action: () => void } | undefined {
    return this.#heap.takeFirst();
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
