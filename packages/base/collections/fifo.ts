/**
 * A queue, first in first out, whose items can also be taken out wherever they lie.
 *
 * Invariants: every operation is O(1) amortized; of what was taken out it holds at most as much as is in it, and
 * {@link MAX_DEAD_SLOTS} more.
 */
import type { Slot } from './slot.ts';
import { isCrowded } from './slot.ts';

export class Fifo<T> {
  #slots: Slot<T>[] = [];
  /** All before it are out. */
  #start = 0;
  #liveCount = 0;

  /** What was put in first of what is still in. */
  get first(): T | undefined {
    for (let slot = this.#slots[this.#start]; slot !== undefined; slot = this.#slots[this.#start]) {
      if (slot.isLive) return slot.item;
      this.#start += 1;
    }
    return undefined;
  }

  /** Puts the item in last; the slot takes it out again. */
  put(item: T): Slot<T> {
    const slot = { item, isLive: true };
    this.#slots.push(slot);
    this.#liveCount += 1;
    return slot;
  }

  /** Takes the item of the slot out, if it is in. */
  remove(slot: Slot<T>): void {
    if (!slot.isLive) return;
    slot.isLive = false;
    this.#liveCount -= 1;
    if (!isCrowded(this.#slots.length, this.#liveCount)) return;
    this.#slots = this.#slots.filter(({ isLive }) => isLive);
    this.#start = 0;
  }
}
