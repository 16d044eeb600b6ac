/**
 * The blocks of one class in order of sequence. A heap and not a list, because blocks come back (in doubt, refused)
 * and are then older than what waits.
 *
 * Invariants: `first` is the block of the smallest sequence in the place that this heap stands for; entries that left
 * that place are skipped when they come up. No operation scans the blocks.
 */
import type { BlockEntry } from './agent-state.ts';
import { Heap } from './heap.ts';

export class BlockHeap {
  readonly #belongs: (entry: BlockEntry) => boolean;
  readonly #heap = new Heap<BlockEntry>(isOlder);

  /** @param belongs whether an entry still is where this heap says. */
  constructor(belongs: (entry: BlockEntry) => boolean) {
    this.#belongs = belongs;
  }

  /** The oldest block, or undefined when none waits. */
  first(): BlockEntry | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      if (this.#belongs(top)) return top;
      this.#heap.pop();
    }
    return undefined;
  }

  push(entry: BlockEntry): void {
    this.#heap.push(entry);
  }
}

/** True when a comes before b: by sequence, then epoch. */
export function isOlder(a: BlockEntry, b: BlockEntry): boolean {
  const order = a.header.id.sequence - b.header.id.sequence;
  return order < 0 || (order === 0 && a.header.id.epoch < b.header.id.epoch);
}
