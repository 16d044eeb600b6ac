/**
 * Collects records of one urgency class column by column and seals them as the payload of a block (format.md).
 *
 * Invariants:
 * - `append` makes no object per record; a body is copied once into its column and once into the sealed payload.
 * - `rawBytes` is never below the size that sealing gives.
 * - A sealed payload shares no memory with the builder, which is empty afterwards and keeps its memory for reuse.
 */
import { SluiceError } from '@sluice/base/error';
import type { BlockPosition, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES, MAX_ID_BYTES, urgencyRank } from '@sluice/protocol/model';
import {
  copyBytes,
  DictionaryColumn,
  encodeConstantDictionary,
  GrowableBytes,
  MapColumn,
  writeUInt64,
} from './buffer.ts';
import {
  type AgentColumn,
  columnHead,
  encodeCounts,
  LOW_CARDINALITY_VERSION,
  MAX_TIMESTAMP_SECONDS,
} from './columns.ts';
import { type CompressionEffort, compressFrame, compressFrameAsync } from './compression.ts';
import { WRITTEN_PER_RAW_BYTE } from './dictionary-size.ts';
import type { DraftHeader } from './digest.ts';
import { type BlockFormat, formatMark, LATEST_BLOCK_FORMAT } from './formats.ts';
import { nanosOfMoment, type RecordFields } from './record.ts';

const INITIAL_RECORDS = 1024;
/** Bytes of a record in the columns of fixed width: five numbers of 8, UInt32, four of 1, AgentId's index. */
const FIXED_BYTES_PER_RECORD = 5 * 8 + 4 + 4 + 1;
/** The two counts at their longest. */
const COUNTS_BYTES = 10;
/** Counts, heads, versions of the three dictionaries, and AgentId's version, flags, counts and key. */
const FIXED_BYTES_PER_BLOCK: number =
  LATEST_BLOCK_FORMAT.columns.reduce((sum, column) => sum + columnHead(column).length, COUNTS_BYTES) +
  3 * 8 +
  4 * 8 +
  2 +
  MAX_ID_BYTES;
/** Two limbs of 16 bits, so that products of seconds and this stay exact in a double. */
const NANOS_PER_SECOND = 1_000_000_000;
const LIMB = 0x1_0000;
const TWO_TO_32 = 0x1_0000_0000;

/** What a column collects. */
export interface ColumnData {
  /** Not below what `write` writes. */
  readonly encodedBytes: number;
  /** Writes the column's data; returns the offset behind it. */
  write(target: Buffer, offset: number): number;
  clear(): void;
}

/** A payload before compression. */
export interface RawBlock {
  readonly format: BlockFormat;
  readonly raw: Buffer;
}

/** The payload of a sealed block before compression. */
export interface SealedRawBlock extends RawBlock {
  readonly header: DraftHeader;
}

export class BlockBuilder {
  readonly urgency: UrgencyClass;
  #count = 0;
  #oldestObservedMs = Number.POSITIVE_INFINITY;
  #capacity = INITIAL_RECORDS;
  /** Int64 nanoseconds, low limb first. */
  #timestamps = new Uint32Array(2 * INITIAL_RECORDS);
  #observed = new Uint32Array(2 * INITIAL_RECORDS);
  #severityNumbers = new Uint8Array(INITIAL_RECORDS);
  #traceFlags = new Uint8Array(INITIAL_RECORDS);
  /** UInt64, low limb first. */
  #offsets = new Uint32Array(2 * INITIAL_RECORDS);
  #timestampOrigins = new Uint8Array(INITIAL_RECORDS);
  readonly #severityTexts = new DictionaryColumn();
  readonly #serviceNames = new DictionaryColumn();
  readonly #eventNames = new DictionaryColumn();
  readonly #bodies = new GrowableBytes();
  readonly #traceIds = new GrowableBytes();
  readonly #spanIds = new GrowableBytes();
  readonly #resources = new MapColumn();
  readonly #attributes = new MapColumn();

  /** By name, for the columns that are neither constant nor numbered. */
  readonly #writers: Map<string, (target: Buffer, at: number) => number>;
  readonly #added: ColumnData[] = [];
  #addedHeadBytes = 0;

  constructor(urgency: UrgencyClass) {
    this.urgency = urgency;
    const numbers = (column: () => Uint32Array | Uint8Array, width: number) => (target: Buffer, at: number) =>
      at + copyBytes(column(), width * this.#count, target, at);
    const dictionary = (column: DictionaryColumn) => (target: Buffer, at: number) =>
      column.write(target, writeUInt64(target, at, LOW_CARDINALITY_VERSION));
    const strings = (column: GrowableBytes) => (target: Buffer, at: number) =>
      at + column.buffer.copy(target, at, 0, column.length);
    const map = (column: MapColumn) => (target: Buffer, at: number) => column.write(target, at);
    this.#writers = new Map([
      ['Timestamp', numbers(() => this.#timestamps, 8)],
      ['ObservedTimestamp', numbers(() => this.#observed, 8)],
      ['SeverityNumber', numbers(() => this.#severityNumbers, 1)],
      ['SeverityText', dictionary(this.#severityTexts)],
      ['ServiceName', dictionary(this.#serviceNames)],
      ['Body', strings(this.#bodies)],
      ['TraceId', strings(this.#traceIds)],
      ['SpanId', strings(this.#spanIds)],
      ['TraceFlags', numbers(() => this.#traceFlags, 1)],
      ['EventName', dictionary(this.#eventNames)],
      ['ResourceAttributes', map(this.#resources)],
      ['LogAttributes', map(this.#attributes)],
      ['RecordOffset', numbers(() => this.#offsets, 8)],
      ['TimestampOrigin', numbers(() => this.#timestampOrigins, 1)],
    ]);
  }

  /** A column beside those above, filled by a subclass in its `append`. */
  protected addColumn(column: AgentColumn, data: ColumnData): void {
    this.#writers.set(column.name, (target, at) => data.write(target, at));
    this.#added.push(data);
    this.#addedHeadBytes += columnHead(column).length;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Uncompressed size that sealing would give now, or a little more (the agent's id is counted at its longest). */
  get rawBytes(): number {
    if (this.#count === 0) return 0;
    let addedBytes = this.#addedHeadBytes;
    for (const column of this.#added) addedBytes += column.encodedBytes;
    return (
      addedBytes +
      FIXED_BYTES_PER_BLOCK +
      this.#count * FIXED_BYTES_PER_RECORD +
      this.#severityTexts.encodedBytes +
      this.#serviceNames.encodedBytes +
      this.#eventNames.encodedBytes +
      this.#bodies.length +
      this.#traceIds.length +
      this.#spanIds.length +
      this.#resources.encodedBytes +
      this.#attributes.encodedBytes
    );
  }

  /** How many names the attributes and resource attributes of its records have. */
  get keyCount(): number {
    return this.#attributes.keyCount + this.#resources.keyCount;
  }

  /**
   * What the size of a block is bounded by: that before compression, or more where short values stand under long names, which
   * servers refuse too many of (dictionary-size.ts).
   */
  get weightBytes(): number {
    const writtenBytes =
      this.#severityTexts.mostWrittenBytes +
      this.#serviceNames.mostWrittenBytes +
      this.#eventNames.mostWrittenBytes +
      this.#resources.mostWrittenBytes +
      this.#attributes.mostWrittenBytes;
    return Math.max(this.rawBytes, Math.ceil(writtenBytes / WRITTEN_PER_RAW_BYTE));
  }

  /** When the oldest record was observed, in milliseconds since 1970; Infinity when there is none. */
  get oldestObservedMs(): number {
    return this.#oldestObservedMs;
  }

  /** Appends a copy of the record. Times outside of 1970..2105 are clamped. */
  append(record: RecordFields): void {
    if (this.#count === this.#capacity) this.#grow();
    const at = this.#count;
    writeNanos(this.#timestamps, 2 * at, record.timestampSeconds, record.timestampNanos);
    const observedMs = record.observedMs;
    const observedSeconds = Math.floor(observedMs / 1000);
    const observedNanos = nanosOfMoment(observedMs, observedSeconds) + record.observedNanos;
    writeNanos(this.#observed, 2 * at, observedSeconds, observedNanos);
    if (observedMs < this.#oldestObservedMs) this.#oldestObservedMs = observedMs;
    this.#severityNumbers[at] = record.severityNumber;
    this.#traceFlags[at] = record.traceFlags;
    this.#offsets[2 * at] = record.offsetBytes % TWO_TO_32;
    this.#offsets[2 * at + 1] = Math.floor(record.offsetBytes / TWO_TO_32);
    this.#timestampOrigins[at] = record.timestampOrigin;
    this.#severityTexts.append(record.severityText);
    this.#serviceNames.append(record.serviceName);
    this.#eventNames.append(record.eventName);
    if (record.bodyText === undefined) {
      this.#bodies.appendRange(record.buffer, record.bodyStart, record.bodyEnd);
    } else {
      this.#bodies.appendText(record.bodyText);
    }
    appendHex(this.#traceIds, record.traceId);
    appendHex(this.#spanIds, record.spanId);
    this.#resources.append(record.resource, undefined, record.buffer);
    this.#attributes.append(record.constantAttributes, record.attributes, record.buffer);
    this.#count = at + 1;
  }

  /**
   * Makes the payload of all appended records, in a format that the servers take, and empties the builder.
   *
   * @throws SluiceError `internal` when there is nothing to seal, `limit_exceeded` when the block is larger than `mostBytes`
   *   (the builder is left as it is).
   */
  seal(
    id: BlockPosition,
    format: BlockFormat = LATEST_BLOCK_FORMAT,
    mostBytes: number = MAX_BLOCK_RAW_BYTES,
  ): SealedRawBlock {
    const count = this.#count;
    if (count === 0) throw new SluiceError('internal', 'an empty block was to be sealed');
    const target = Buffer.allocUnsafeSlow(this.rawBytes);
    const end = this.#write(target, id, format);
    if (end > mostBytes) {
      throw new SluiceError('limit_exceeded', `a block of ${end} bytes is above ${mostBytes}`, {
        hint: 'Seal blocks before they reach the limit.',
      });
    }
    const header: DraftHeader = {
      id,
      urgency: this.urgency,
      rawBytes: end,
      recordCount: count,
      // The observed times come from the clock as plain numbers.
      oldestObservedMs: Math.max(0, Math.floor(this.#oldestObservedMs)) as TimeMs,
    };
    this.#clear();
    return { format, header, raw: target.subarray(0, end) };
  }

  #write(target: Buffer, id: BlockPosition, format: BlockFormat): number {
    let at = 0;
    if (format.countedServerColumns !== undefined) {
      at += encodeCounts(format.columns.length + format.countedServerColumns, this.#count).copy(target);
    }
    for (const column of format.columns) {
      at += columnHead(column).copy(target, at);
      at = this.#writeData(column, target, at, id);
    }
    return at;
  }

  #writeData({ name, encoding }: AgentColumn, target: Buffer, at: number, id: BlockPosition): number {
    const count = this.#count;
    if (encoding.kind === 'record_numbers')
      return at + copyBytes(recordNumbers(count), 4 * count, target, at);
    if (encoding.kind !== 'constant') {
      const write = this.#writers.get(name);
      if (write === undefined) throw new SluiceError('internal', `nothing collects the column ${name}`);
      return write(target, at);
    }
    switch (encoding.of) {
      case 'urgency':
        target.fill(urgencyRank(this.urgency) + 1, at, at + count);
        return at + count;
      case 'agentId':
        return at + encodeConstantDictionary(id.agentId, count).copy(target, at);
      case 'epoch':
      case 'sequence':
        target.fill(uint64Bytes(id[encoding.of]), at, at + 8 * count);
        return at + 8 * count;
      default:
        return encoding.of satisfies never;
    }
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#timestamps = enlarge(this.#timestamps, new Uint32Array(2 * this.#capacity));
    this.#observed = enlarge(this.#observed, new Uint32Array(2 * this.#capacity));
    this.#severityNumbers = enlarge(this.#severityNumbers, new Uint8Array(this.#capacity));
    this.#traceFlags = enlarge(this.#traceFlags, new Uint8Array(this.#capacity));
    this.#offsets = enlarge(this.#offsets, new Uint32Array(2 * this.#capacity));
    this.#timestampOrigins = enlarge(this.#timestampOrigins, new Uint8Array(this.#capacity));
  }

  #clear(): void {
    this.#count = 0;
    this.#oldestObservedMs = Number.POSITIVE_INFINITY;
    for (const column of [
      this.#severityTexts,
      this.#serviceNames,
      this.#eventNames,
      this.#bodies,
      this.#traceIds,
      this.#spanIds,
      this.#resources,
      this.#attributes,
    ]) {
      column.clear();
    }
    for (const column of this.#added) column.clear();
  }
}

/** Compresses a sealed payload: the format's mark and one zstd frame with content size, made off the main thread. */
export async function compressBlock({ format, raw }: RawBlock, effort?: CompressionEffort): Promise<Buffer> {
  return Buffer.concat([formatMark(format), await compressFrameAsync(raw, effort)]);
}

/** The same at once; for programs that do nothing else meanwhile. */
export function compressBlockSync({ format, raw }: RawBlock): Buffer {
  return Buffer.concat([formatMark(format), compressFrame(raw)]);
}

/** Writes seconds and nanoseconds as Int64 nanoseconds in two limbs of 32 bits, without a BigInt. */
function writeNanos(target: Uint32Array, at: number, seconds: number, nanos: number): void {
  let whole = seconds;
  let rest = nanos;
  // Written so that NaN is clamped too.
  if (!(whole >= 0)) {
    whole = 0;
    rest = 0;
  } else if (whole > MAX_TIMESTAMP_SECONDS) {
    whole = MAX_TIMESTAMP_SECONDS;
    rest = NANOS_PER_SECOND - 1;
  }
  const low = (whole % LIMB) * NANOS_PER_SECOND + rest;
  const carry = Math.floor(low / LIMB);
  const high = Math.floor(whole / LIMB) * NANOS_PER_SECOND + carry;
  const highRest = Math.floor(high / LIMB);
  target[at] = (high - highRest * LIMB) * LIMB + (low - carry * LIMB);
  target[at + 1] = highRest;
}

function appendHex(target: GrowableBytes, digits: string): void {
  if (digits.length === 0) target.appendByte(0);
  else target.appendText(digits);
}

function enlarge<A extends Uint8Array | Uint32Array>(source: A, larger: A): A {
  larger.set(source);
  return larger;
}

function uint64Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeUInt64(bytes, 0, value);
  return bytes;
}

/** 0, 1, 2 ...: the same beginning in every block, so made once and enlarged when a block needs more. */
let knownNumbers = new Uint32Array(0);
function recordNumbers(count: number): Uint32Array {
  if (knownNumbers.length < count) {
    knownNumbers = new Uint32Array(2 * count);
    for (let number = 0; number < knownNumbers.length; number += 1) knownNumbers[number] = number;
  }
  return knownNumbers;
}
