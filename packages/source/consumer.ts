/**
 * What a source feeds: the border between reading (this package) and records (packages/record).
 *
 * Invariants:
 * - What a consumer is handed is valid only during the call; it copies what it keeps.
 * - Positions belong to the consumer: what it holds back (the first lines of a record that is not whole yet) is not consumed.
 *   No position behind it is kept, so that the source hands it out again after a crash.
 */
import type { RecordFields } from '@sluice/block/record';

/**
 * A consumer holds back no more of a stream than this: the source finishes what is longer. Far above any stack trace; what is
 * held back is read again after each crash.
 */
export const MAX_HELD_BYTES: number = 1024 * 1024;

/** Something with an order of its own: a file, a connection, a unit of the journal. */
export interface Stream {
  /** The kind of its source: `file`, ... */
  readonly kind: string;
  /** What people know it by: a path, an address, ... */
  readonly name: string;
}

/** What every consumer says of itself. These are plain values: reading them never throws. */
interface Consumer {
  /** Records that could not be read as what they seem to be and became plain ones. Undefined: not counted. */
  readonly unparsedRecords?: number;
  /** Why the latest of them could not; empty when there was none. */
  readonly lastUnparsedReason?: string;
  /**
   * Where the record begins that it holds back because more may belong to it: the offset of a line that it was handed.
   * Undefined: it holds nothing back.
   */
  readonly heldFromBytes?: number | undefined;
  /** Nothing more belongs to what it holds back: the stream ended, begins anew, or has been quiet for long. */
  finish?(): void;
}

/** Takes the lines of one stream, in order. */
export interface LineConsumer extends Consumer {
  /**
   * One line without its terminator (LF or CRLF).
   *
   * @param observedMs when the bytes were read, in milliseconds since 1970; the fraction tells one turn from the next (moments.ts).
   * @param offsetBytes where the line begins in its stream: grows from line to line, until the stream begins anew.
   */
  line(buffer: Buffer, start: number, end: number, observedMs: number, offsetBytes: number): void;
}

/** Takes the records of one stream whose fields the source knows already, in order. */
export interface FieldsConsumer extends Consumer {
  /** One record; the object may be filled again for the next one. A service that it does not name is the stream's. */
  record(fields: RecordFields): void;
}

/** Says what the records of each stream become. Asked once for each stream that is followed. */
export interface Consumers {
  forLines(stream: Stream): LineConsumer;
  forFields(stream: Stream): FieldsConsumer;
}
