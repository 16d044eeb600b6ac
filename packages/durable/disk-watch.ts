/**
 * How much is free on the disk under a directory, for people to look at.
 *
 * Invariant: one call at a time: a file system that hangs holds up nobody, and piles up nothing.
 */
import { statfs } from 'node:fs/promises';

export interface DiskFacts {
  /** For programs without special rights. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

export class DiskWatch {
  readonly #directory: string;
  #latest: DiskFacts | undefined;
  #looking: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What the last look has seen; undefined when there was none, or when it could not see. */
  get latest(): DiskFacts | undefined {
    return this.#latest;
  }

  /** Looks, unless a look is under way. Resolves when `latest` is new; never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#directory);
      this.#latest = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
    } catch {
      // The directory is gone or closed: nothing is known of its disk.
      this.#latest = undefined;
    }
  }
}
