/**
 * The blocks of one class in order of sequence. A heap and not a list, because blocks come back (in doubt, refused)
 * and are then older than what waits.
 *
 * Invariants: `first` is the block of the smallest sequence in the place that this heap stands for; entries that left
 * that place are skipped when they come up. No operation scans the blocks.
 */
import type { BlockEntry } from './agent-state.ts';

export class BlockHeap {
  readonly #belongs: (entry: BlockEntry) => boolean;
  readonly #items: BlockEntry[] = [];

  /** @param belongs whether an entry still is where this heap says. */
  constructor(belongs: (entry: BlockEntry) => boolean) {
    this.#belongs = belongs;
  }

  /** The oldest block, or undefined when none waits. */
  first(): BlockEntry | undefined {
    for (let top = this.#items[0]; top !== undefined; top = this.#items[0]) {
      if (this.#belongs(top)) return top;
      this.#removeTop();
    }
    return undefined;
  }

  push(entry: BlockEntry): void {
    const items = this.#items;
    let index = items.length;
    items.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent === undefined || !isOlder(entry, parent)) break;
      items[index] = parent;
      index = parentIndex;
    }
    items[index] = entry;
  }

  #removeTop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = items[childIndex];
      if (child === undefined) break;
      const right = items[childIndex + 1];
      if (right !== undefined && isOlder(right, child)) {
        childIndex += 1;
        child = right;
      }
      if (!isOlder(child, last)) break;
      items[index] = child;
      index = childIndex;
    }
    items[index] = last;
  }
}

/** True when a comes before b: by sequence, then epoch. */
export function isOlder(a: BlockEntry, b: BlockEntry): boolean {
  const order = a.header.id.sequence - b.header.id.sequence;
  return order < 0 || (order === 0 && a.header.id.epoch < b.header.id.epoch);
}
