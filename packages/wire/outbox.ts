/**
 * A queue of messages that a stream pulls: the writing half of every stream of the uplink, on both sides.
 *
 * Invariants: messages leave in the order in which they were pushed; at most `capacity` wait (push says no beyond it);
 * the consumer asks for the next message only after the one before was handed to the transport, so `flushed()` tells
 * when everything pushed until now has left. After `end` or `fail` nothing is taken any more.
 */

/** One consumer (the RPC stream), any number of producers in the same thread. */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  #waiting: T[] = [];
  #state: 'open' | 'ended' | 'failed' = 'open';
  #failure: unknown;
  /** Resolves the consumer's pending `next`. */
  #consumer: (() => void) | undefined;
  /** Messages handed out; one more `next` call proves that they were written. */
  #pushedCount = 0;
  #writtenCount = 0;
  #handedOut = false;
  #flushWaiters: { count: number; resolve: () => void }[] = [];

  /** @param capacity most messages that may wait. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** False once ended or failed. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Appends a message; false when it was not taken: the outbox is full or no longer open. */
  push(message: T): boolean {
    if (this.#state !== 'open' || this.#waiting.length >= this.#capacity) return false;
    this.#waiting.push(message);
    this.#pushedCount += 1;
    this.#wake();
    return true;
  }

  /** No more messages: the stream ends after those that wait. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#wake();
  }

  /** Ends the stream with an error at once; what waits is dropped. */
  fail(reason: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.#failure = reason;
    this.#waiting = [];
    this.#settleFlushes(Number.POSITIVE_INFINITY);
    this.#wake();
  }

  /** Resolves when all messages pushed until now were handed to the transport, or never will be. */
  flushed(): Promise<void> {
    if (this.#state === 'failed' || this.#writtenCount >= this.#pushedCount) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#flushWaiters.push({ count: this.#pushedCount, resolve });
    return promise;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: async (): Promise<IteratorResult<T, undefined>> => {
        if (this.#handedOut) {
          this.#handedOut = false;
          this.#writtenCount += 1;
          this.#settleFlushes(this.#writtenCount);
        }
        while (this.#waiting.length === 0 && this.#state === 'open') {
          const { promise, resolve } = Promise.withResolvers<void>();
          this.#consumer = resolve;
          await promise;
        }
        if (this.#state === 'failed') throw this.#failure;
        const message = this.#waiting.shift();
        if (message === undefined) {
          this.#settleFlushes(Number.POSITIVE_INFINITY);
          return { done: true, value: undefined };
        }
        this.#handedOut = true;
        return { done: false, value: message };
      },
      return: async (): Promise<IteratorResult<T, undefined>> => {
        this.fail(new Error('the stream is closed'));
        return { done: true, value: undefined };
      },
      throw: async (reason: unknown): Promise<IteratorResult<T, undefined>> => {
        this.fail(reason);
        return { done: true, value: undefined };
      },
    };
  }

  #wake(): void {
    const wake = this.#consumer;
    this.#consumer = undefined;
    wake?.();
  }

  #settleFlushes(count: number): void {
    if (this.#flushWaiters.length === 0) return;
    const settled = this.#flushWaiters.filter((waiter) => waiter.count <= count);
    this.#flushWaiters = this.#flushWaiters.filter((waiter) => waiter.count > count);
    for (const waiter of settled) waiter.resolve();
  }
}
