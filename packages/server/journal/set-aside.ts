/**
 * The blocks that the store refused for good: kept for people to look at, out of the way of the others.
 *
 * Invariant: after `evict` they are within the bounds below, the newest kept.
 */
import type { JournaledBlock, SetAsideBlock } from './journal-records.ts';

/** Blocks that the store refused are kept for people to look at; beyond this the oldest of them go. */
export const MAX_SET_ASIDE_BLOCKS = 1000;
/** Room for that many rather large refused blocks without taking the disk from the living ones. */
const MAX_SET_ASIDE_BYTES: number = 64 * 1024 * 1024;

export class SetAsideShelf {
  /** By block number, in order of arrival. */
  readonly #blocks = new Map<number, SetAsideBlock>();
  #bytes = 0;

  /** Payload bytes of all of them. */
  get payloadBytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#blocks.size;
  }

  blocks(): readonly SetAsideBlock[] {
    return [...this.#blocks.values()];
  }

  put(block: SetAsideBlock): void {
    this.#blocks.set(block.number, block);
    this.#bytes += block.payloadBytes;
  }

  drop(block: JournaledBlock): void {
    if (this.#blocks.delete(block.number)) this.#bytes -= block.payloadBytes;
  }

  /** Drops the oldest until the rest is within the bounds; returns what it dropped. */
  evict(): SetAsideBlock[] {
    const evicted: SetAsideBlock[] = [];
    for (const block of this.#blocks.values()) {
      if (this.#blocks.size <= MAX_SET_ASIDE_BLOCKS && this.#bytes <= MAX_SET_ASIDE_BYTES) break;
      evicted.push(block);
      this.drop(block);
    }
    return evicted;
  }
}
