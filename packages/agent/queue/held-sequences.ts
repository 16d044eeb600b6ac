/**
 * What the queue holds, in memory: a number per block, what they add up to, and the callers that wait until there is room for more.
 *
 * Invariant: changed only after the commit that changed the disk. No I/O.
 */
export class HeldSequences {
  readonly #maxBytes: number;
  /** Payload size by sequence, in ascending sequence but for blocks that came back from the shelf. */
  readonly #payloadBytes = new Map<number, number>();
  readonly #waiting = new Set<() => void>();
  #usedBytes = 0;

  /** @param maxBytes payload bytes at which it is full */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#payloadBytes.size;
  }

  /** Payload bytes of all blocks. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get isFull(): boolean {
    return this.#usedBytes >= this.#maxBytes;
  }

  /** The first sequence that is held; undefined when none is. */
  get first(): number | undefined {
    for (const sequence of this.#payloadBytes.keys()) return sequence;
    return undefined;
  }

  has(sequence: number): boolean {
    return this.#payloadBytes.has(sequence);
  }

  sequences(): IterableIterator<number> {
    return this.#payloadBytes.keys();
  }

  add(sequence: number, payloadBytes: number): void {
    this.#payloadBytes.set(sequence, payloadBytes);
    this.#usedBytes += payloadBytes;
  }

  remove(sequences: readonly number[]): void {
    for (const sequence of sequences) {
      this.#usedBytes -= this.#payloadBytes.get(sequence) ?? 0;
      this.#payloadBytes.delete(sequence);
    }
    if (!this.isFull) this.wake();
  }

  /** Resolves when it is not full, at once if it is not, or when {@link wake} is called. */
  async waitForRoom(): Promise<void> {
    if (!this.isFull) return;
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  /** Lets all go on that wait. */
  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
