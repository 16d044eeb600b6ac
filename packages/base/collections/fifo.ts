/**
 * A queue, first in first out, whose items can also be removed wherever they stand.
 *
 * Invariants: every operation is O(1) amortized; of removed items it holds at most as many as are in it, and
 * {@link MAX_REMOVED_HANDLES} more.
 */
import type { Handle } from './handle.ts';
import { needsSweep } from './handle.ts';

export class Fifo<T> {
  #handles: Handle<T>[] = [];
  /** All before it are removed. */
  #start = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item that was added first of those still in; undefined when there is none. */
  get first(): T | undefined {
    for (let handle = this.#handles[this.#start]; handle !== undefined; handle = this.#handles[this.#start]) {
      if (!handle.isRemoved) return handle.item;
      this.#start += 1;
    }
    return undefined;
  }

  /** Adds the item at the end. */
  add(item: T): Handle<T> {
    const handle = { item, isRemoved: false };
    this.#handles.push(handle);
    this.#size += 1;
    return handle;
  }

  /** Removes the item of the handle, if it is still in. */
  remove(handle: Handle<T>): void {
    if (handle.isRemoved) return;
    handle.isRemoved = true;
    this.#size -= 1;
    if (!needsSweep(this.#handles.length, this.#size)) return;
    this.#handles = this.#handles.filter(({ isRemoved }) => !isRemoved);
    this.#start = 0;
  }
}
