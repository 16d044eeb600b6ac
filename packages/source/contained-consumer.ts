/**
 * Contains what a consumer throws to the record that it threw at, and what it holds back to {@link MAX_HELD_BYTES}.
 *
 * A consumer turns whatever it is handed into a record; one that throws has an error of its own. Without this the position
 * would stay before that record, it would be tried at each look, and nothing behind it would ever be read.
 *
 * Invariants: nothing here throws; what is held back when the consumer throws is lost with the record, and counted.
 */
import { messageOf } from '@sluice/base/error';
import { type FieldsConsumer, type LineConsumer, MAX_HELD_BYTES } from './consumer.ts';

/** What the containers of lines and of fields have in common. */
export abstract class ContainedConsumer<C extends LineConsumer | FieldsConsumer> {
  protected readonly consumer: C;
  readonly #onFailure: (error: unknown) => void;
  /** Records that the consumer threw at: they are lost. */
  failedRecords = 0;
  #lastThrown = '';
  /** What it said to hold back when it threw: nobody will get it out of there. */
  #lostFromBytes: number | undefined;

  /** @param onFailure is told what was thrown, at each such record; must not throw. */
  constructor(consumer: C, onFailure: (error: unknown) => void) {
    this.consumer = consumer;
    this.#onFailure = onFailure;
  }

  get unparsedRecords(): number {
    return this.consumer.unparsedRecords ?? 0;
  }

  /** Where what is held back begins; undefined: nothing is. */
  get heldFromBytes(): number | undefined {
    const { heldFromBytes } = this.consumer;
    return heldFromBytes === this.#lostFromBytes ? undefined : heldFromBytes;
  }

  /** Nothing more belongs to what is held back. */
  finish(): void {
    if (this.heldFromBytes === undefined) return;
    try {
      this.consumer.finish?.();
      // One that cannot finish would hold its stream for ever.
      this.#lostFromBytes = this.consumer.heldFromBytes;
      if (this.#lostFromBytes !== undefined) throw new Error('a record was not finished');
    } catch (error) {
      this.failed(error);
    }
  }

  /** What a record failed at that is lost, or else the latest one that was kept as plain text; empty: none did. */
  get lastFailure(): string {
    return this.#lastThrown === '' ? (this.consumer.lastUnparsedReason ?? '') : this.#lastThrown;
  }

  protected failed(error: unknown): void {
    this.failedRecords += 1;
    this.#lostFromBytes = this.consumer.heldFromBytes;
    this.#lastThrown = `an error of the agent: ${messageOf(error)}`;
    this.#onFailure(error);
  }
}

export class ContainedLines extends ContainedConsumer<LineConsumer> implements LineConsumer {
  readonly #isMidLine: () => boolean;
  /** What is held back begins inside of a line, which was handed out in parts. */
  #heldMidLine = false;

  /** @param isMidLine whether the line that is handed on is a later part of a longer one */
  constructor(consumer: LineConsumer, onFailure: (error: unknown) => void, isMidLine: () => boolean) {
    super(consumer, onFailure);
    this.#isMidLine = isMidLine;
  }

  get heldMidLine(): boolean {
    return this.#heldMidLine;
  }

  line(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void {
    try {
      this.consumer.line(buffer, start, end, observedMs, offsetBytes);
    } catch (error) {
      this.failed(error);
      return;
    }
    const held = this.consumer.heldFromBytes;
    if (held === undefined) return;
    if (held === offsetBytes) this.#heldMidLine = this.#isMidLine();
    if (offsetBytes + (end - start) - held > MAX_HELD_BYTES) this.finish();
  }
}
