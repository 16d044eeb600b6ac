/**
 * Collects records of one urgency class column by column and seals them as the payload of a block (block-format.md).
 *
 * Invariants:
 * - `append` makes no object per record; a body is copied once into its column and once into the sealed payload.
 * - `rawBytes` is never below the size that sealing gives.
 * - A sealed payload shares no memory with the builder, which is empty afterwards and keeps its memory for reuse.
 */
import { SluiceError } from '@sluice/protocol/error';
import type { BlockHeader, BlockId, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES, MAX_ID_BYTES, urgencyRank } from '@sluice/protocol/model';
import {
  copyBytes,
  DictionaryColumn,
  encodeConstantDictionary,
  GrowableBytes,
  MapColumn,
  writeUInt64,
} from './block-buffer.ts';
import {
  AGENT_COLUMN_COUNT,
  BLOCK_COLUMNS,
  BLOCK_HEAD_BYTES,
  encodeColumnHead,
  LOW_CARDINALITY_VERSION,
  MAX_TIMESTAMP_SECONDS,
  writeVarint,
} from './block-columns.ts';
import { compressFrameAsync } from './block-compression.ts';
import type { RecordFields } from './block-record.ts';

const COLUMN_HEADS = BLOCK_COLUMNS.slice(0, AGENT_COLUMN_COUNT).map(encodeColumnHead);
const INITIAL_RECORDS = 1024;
/** Bytes of a record in the columns of fixed width: three numbers of 8, UInt32, three of 1, AgentId's index, 8 more. */
const FIXED_BYTES_PER_RECORD = 4 * 8 + 4 + 3 + 1;
/** Versions of the three dictionaries, and AgentId's version, flags, counts and key. */
const FIXED_BYTES_PER_BLOCK: number = BLOCK_HEAD_BYTES + 3 * 8 + 4 * 8 + 2 + MAX_ID_BYTES;
/** Two limbs of 16 bits, so that products of seconds and this stay exact in a double. */
const NANOS_PER_SECOND = 1_000_000_000;
const LIMB = 0x1_0000;

/** A sealed payload before compression. */
export interface SealedRawBlock {
  readonly header: BlockHeader;
  readonly raw: Buffer;
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
  readonly #severityTexts = new DictionaryColumn();
  readonly #serviceNames = new DictionaryColumn();
  readonly #eventNames = new DictionaryColumn();
  readonly #bodies = new GrowableBytes();
  readonly #traceIds = new GrowableBytes();
  readonly #spanIds = new GrowableBytes();
  readonly #resources = new MapColumn();
  readonly #attributes = new MapColumn();

  constructor(urgency: UrgencyClass) {
    this.urgency = urgency;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Uncompressed size that sealing would give now, or a little more (the agent's id is counted at its longest). */
  get rawBytes(): number {
    if (this.#count === 0) return 0;
    return (
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
    writeNanos(this.#observed, 2 * at, observedSeconds, (observedMs - observedSeconds * 1000) * 1_000_000);
    if (observedMs < this.#oldestObservedMs) this.#oldestObservedMs = observedMs;
    this.#severityNumbers[at] = record.severityNumber;
    this.#traceFlags[at] = record.traceFlags;
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
   * Makes the payload of all appended records and empties the builder.
   *
   * @throws SluiceError `internal` when there is nothing to seal, `limit_exceeded` when the block is too large (the
   *   builder is left as it is).
   */
  seal(id: BlockId): SealedRawBlock {
    const count = this.#count;
    if (count === 0) throw new SluiceError('internal', 'an empty block was to be sealed');
    const target = Buffer.allocUnsafeSlow(this.rawBytes);
    const end = this.#write(target, id);
    if (end > MAX_BLOCK_RAW_BYTES) {
      throw new SluiceError('limit_exceeded', `a block of ${end} bytes is above ${MAX_BLOCK_RAW_BYTES}`, {
        hint: 'Seal blocks before they reach the limit.',
      });
    }
    const header: BlockHeader = {
      id,
      urgency: this.urgency,
      rawBytes: end,
      recordCount: count,
      // The observed times come from the clock as plain numbers.
      oldestObservedMs: Math.max(0, Math.floor(this.#oldestObservedMs)) as TimeMs,
    };
    this.#clear();
    return { header, raw: target.subarray(0, end) };
  }

  #write(target: Buffer, id: BlockId): number {
    const count = this.#count;
    let column = 0;
    let at = writeVarint(target, 0, BLOCK_COLUMNS.length);
    at = writeVarint(target, at, count);
    const head = (): void => {
      at += COLUMN_HEADS[column]?.copy(target, at) ?? 0;
      column += 1;
    };
    const dictionary = (values: DictionaryColumn): void => {
      head();
      at = values.write(target, writeUInt64(target, at, LOW_CARDINALITY_VERSION));
    };
    const bytes = (values: GrowableBytes): void => {
      head();
      at += values.buffer.copy(target, at, 0, values.length);
    };
    const constantUInt64 = (value: number): void => {
      head();
      target.fill(uint64Bytes(value), at, at + 8 * count);
      at += 8 * count;
    };
    head();
    at += copyBytes(this.#timestamps, 8 * count, target, at);
    head();
    at += copyBytes(this.#observed, 8 * count, target, at);
    head();
    at += copyBytes(this.#severityNumbers, count, target, at);
    dictionary(this.#severityTexts);
    dictionary(this.#serviceNames);
    bytes(this.#bodies);
    bytes(this.#traceIds);
    bytes(this.#spanIds);
    head();
    at += copyBytes(this.#traceFlags, count, target, at);
    dictionary(this.#eventNames);
    head();
    at = this.#resources.write(target, at);
    head();
    at = this.#attributes.write(target, at);
    head();
    target.fill(urgencyRank(this.urgency) + 1, at, at + count);
    at += count;
    head();
    at += encodeConstantDictionary(id.agentId, count).copy(target, at);
    constantUInt64(id.epoch);
    constantUInt64(id.sequence);
    head();
    at += copyBytes(recordNumbers(count), 4 * count, target, at);
    return at;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#timestamps = enlarge(this.#timestamps, new Uint32Array(2 * this.#capacity));
    this.#observed = enlarge(this.#observed, new Uint32Array(2 * this.#capacity));
    this.#severityNumbers = enlarge(this.#severityNumbers, new Uint8Array(this.#capacity));
    this.#traceFlags = enlarge(this.#traceFlags, new Uint8Array(this.#capacity));
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
  }
}

/** Compresses a sealed payload: one zstd frame with content size, made off the main thread. */
export function compressBlock(raw: Buffer): Promise<Buffer> {
  return compressFrameAsync(raw);
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
