/**
 * What lies aside of a durable file: blocks that nobody takes, kept for people to look at, out of the way of the others. This is
 * the index in memory; the blocks themselves are where its owner keeps them.
 *
 * Invariants: in order of their numbers; after `evict` within {@link MAX_SET_ASIDE_BLOCKS} and {@link MAX_SET_ASIDE_BYTES}, the
 * newest kept. A change is made before its commit, so that two that are under way do not take the same block, and taken back when
 * the commit fails.
 */

/** Enough to see what is wrong, too little to fill a disk. */
export const MAX_SET_ASIDE_BLOCKS = 1000;
/** Room for that many rather large blocks without taking the disk from the living ones. */
export const MAX_SET_ASIDE_BYTES: number = 64 * 1024 * 1024;

/** What the shelf needs to know of a block. */
interface Shelved {
  /** Names the block within its file; counts up. */
  readonly number: number;
  readonly payloadBytes: number;
}

export class SetAsideShelf<Block extends Shelved> {
  readonly #blocks = new Map<number, Block>();
  #payloadBytes = 0;
  #highest = 0;

  /** @param blocks those that are on disk */
  constructor(blocks: Iterable<Block> = []) {
    for (const block of blocks) this.put(block);
  }

  /** Of all blocks. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  get blockCount(): number {
    return this.#blocks.size;
  }

  /** The oldest first. */
  blocks(): Block[] {
    return [...this.#blocks.values()];
  }

  /** Undefined when it is not here. */
  find(number: number): Block | undefined {
    return this.#blocks.get(number);
  }

  put(block: Block): void {
    const { number, payloadBytes } = block;
    this.drop(number);
    this.#blocks.set(number, block);
    this.#payloadBytes += payloadBytes;
    if (number < this.#highest) this.#sort();
    this.#highest = Math.max(this.#highest, number);
  }

  drop(number: number): void {
    const block = this.#blocks.get(number);
    if (block === undefined) return;
    this.#blocks.delete(number);
    this.#payloadBytes -= block.payloadBytes;
  }

  /** Takes the blocks off, at once: two that ask for the same one do not both get it. Returns those that were here. */
  take(numbers: readonly number[]): Block[] {
    const found = [...new Set(numbers)].flatMap((number) => this.#blocks.get(number) ?? []);
    for (const { number } of found) this.drop(number);
    return found;
  }

  /** Drops the oldest until the rest is within the bounds; returns what it dropped. */
  evict(): Block[] {
    const evicted: Block[] = [];
    for (const block of this.#blocks.values()) {
      if (this.#blocks.size <= MAX_SET_ASIDE_BLOCKS && this.#payloadBytes <= MAX_SET_ASIDE_BYTES) break;
      evicted.push(block);
      this.drop(block.number);
    }
    return evicted;
  }

  #sort(): void {
    const sorted = [...this.#blocks].sort(([one], [other]) => one - other);
    this.#blocks.clear();
    for (const [number, block] of sorted) this.#blocks.set(number, block);
  }
}
