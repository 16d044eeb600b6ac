/**
 * Contains what a consumer of lines throws to the line that it threw at.
 *
 * A consumer turns any line into a record; one that throws has an error of its own. Without this the position would stay
 * before that line, the line would be tried at each look, and nothing behind it would ever be read.
 *
 * Invariant: `line` never throws.
 */

import { messageOf } from '@sluice/base/error';
import type { LineConsumer } from '../line-consumer.ts';

export class ContainedLines implements LineConsumer {
  readonly #consumer: LineConsumer;
  readonly #onFailure: (error: unknown) => void;
  /** Lines that the consumer threw at: they became no record. */
  failedLines = 0;
  #lastThrown = '';

  /** @param onFailure is told what was thrown, at each such line; must not throw. */
  constructor(consumer: LineConsumer, onFailure: (error: unknown) => void) {
    this.#consumer = consumer;
    this.#onFailure = onFailure;
  }

  line(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void {
    try {
      this.#consumer.line(buffer, start, end, observedMs, offsetBytes);
    } catch (error) {
      this.failedLines += 1;
      this.#lastThrown = `an error of the agent: ${messageOf(error)}`;
      this.#onFailure(error);
    }
  }

  get unparsedLines(): number {
    return this.#consumer.unparsedLines ?? 0;
  }

  /** What a line failed at that became no record, or else the latest one that was kept as plain text; empty: none did. */
  get lastFailure(): string {
    return this.#lastThrown === '' ? (this.#consumer.lastUnparsedReason ?? '') : this.#lastThrown;
  }
}
