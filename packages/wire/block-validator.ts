/**
 * Opens a payload that came from elsewhere and checks all of it (block-format.md) before anything else sees it.
 *
 * Invariants:
 * - Total: whatever the bytes are, the result is an opened block or SluiceError `block_malformed`.
 * - Never more memory than the stated raw size, which is bounded by MAX_BLOCK_RAW_BYTES; time is linear in it.
 * - A block that passes holds exactly what the expectation says, so its constants need no look in the store.
 */
import { SluiceError } from '@sluice/protocol/error';
import type { AgentId, ServerId, UrgencyClass } from '@sluice/protocol/model';
import { urgencyRank } from '@sluice/protocol/model';
import { encodeConstantDictionary, writeUInt64 } from './block-buffer.ts';
import {
  AGENT_COLUMN_COUNT,
  BLOCK_COLUMNS,
  encodeColumnHead,
  HAS_ADDITIONAL_KEYS,
  LOW_CARDINALITY_VERSION,
  MAX_SEVERITY_NUMBER,
  MAX_TIMESTAMP_SECONDS,
} from './block-columns.ts';
import { compressFrame, decompressFrame, malformed } from './block-compression.ts';
import { releaseMemory } from './release-memory.ts';

const COLUMN_HEADS = BLOCK_COLUMNS.map(encodeColumnHead);
const MAX_NANOS = (MAX_TIMESTAMP_SECONDS + 1) * 1e9;
const TWO_TO_32 = 0x1_0000_0000;
const TRACE_ID_DIGITS = 32;
const SPAN_ID_DIGITS = 16;

/** What a payload must agree with. */
export interface ExpectedBlock {
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly sequence: number;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly recordCount: number;
}

/** A payload that passed. */
export interface OpenedBlock {
  readonly recordCount: number;
  /** The uncompressed payload. */
  readonly raw: Buffer;
  /** Where the data of each column begins in `raw`, in the order of BLOCK_COLUMNS; the last entry is the end. */
  readonly columnOffsets: readonly number[];
}

/**
 * Decompresses and checks a payload.
 *
 * @throws SluiceError `block_malformed` with the reason.
 */
export function openBlock(payload: Uint8Array, expected: ExpectedBlock): OpenedBlock {
  const raw = decompressFrame(payload, expected.rawBytes);
  try {
    return new BlockReader(raw).read(expected);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    // Reading is bounded by explicit checks; should one be missing, the block is still only malformed.
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

/**
 * The same for who only wants to know: the uncompressed payload is freed at once.
 *
 * @throws SluiceError `block_malformed` with the reason.
 */
export function checkBlock(payload: Uint8Array, expected: ExpectedBlock): void {
  releaseMemory(openBlock(payload, expected).raw);
}

/** The two columns that the server appends, as a zstd frame to stand behind the payload's. */
export function serverColumnsFrame(recordCount: number, serverId: ServerId, priority: number): Buffer {
  const priorities = Buffer.allocUnsafe(4 * recordCount);
  const one = Buffer.allocUnsafe(4);
  one.writeUInt32LE(priority);
  priorities.fill(one);
  const heads = COLUMN_HEADS.slice(AGENT_COLUMN_COUNT);
  return compressFrame(
    Buffer.concat([
      heads[0] ?? Buffer.alloc(0),
      encodeConstantDictionary(serverId, recordCount),
      heads[1] ?? Buffer.alloc(0),
      priorities,
    ]),
  );
}

class BlockReader {
  readonly #raw: Buffer;
  readonly #end: number;
  #at = 0;
  #column = '';

  constructor(raw: Buffer) {
    this.#raw = raw;
    this.#end = raw.length;
  }

  read(expected: ExpectedBlock): OpenedBlock {
    const count = expected.recordCount;
    this.#column = 'header';
    if (!Number.isInteger(count) || count < 1) throw this.#error(`${count} records`);
    if (this.#varint() !== BLOCK_COLUMNS.length) throw this.#error('wrong number of columns');
    if (this.#varint() !== count) throw this.#error(`the number of records is not ${count}`);
    const offsets: number[] = [];
    for (let column = 0; column < AGENT_COLUMN_COUNT; column += 1) {
      this.#head(column);
      offsets.push(this.#at);
      this.#data(column, count, expected);
    }
    offsets.push(this.#at);
    if (this.#at !== this.#end) throw this.#error(`${this.#end - this.#at} bytes are left over`);
    return { recordCount: count, raw: this.#raw, columnOffsets: offsets };
  }

  #head(column: number): void {
    const head = COLUMN_HEADS[column] ?? Buffer.alloc(0);
    this.#column = BLOCK_COLUMNS[column]?.name ?? '';
    const end = this.#at + head.length;
    if (end > this.#end || head.compare(this.#raw, this.#at, end) !== 0) {
      throw this.#error('its name or type is not as expected');
    }
    this.#at = end;
  }

  #data(column: number, count: number, expected: ExpectedBlock): void {
    switch (BLOCK_COLUMNS[column]?.name) {
      case 'Timestamp':
      case 'ObservedTimestamp':
        this.#timestamps(count);
        break;
      case 'SeverityNumber':
        this.#severities(count);
        break;
      case 'SeverityText':
      case 'ServiceName':
      case 'EventName':
        this.#version();
        this.#dictionary(count);
        break;
      case 'Body':
        this.#strings(count);
        break;
      case 'TraceId':
        this.#hexStrings(count, TRACE_ID_DIGITS);
        break;
      case 'SpanId':
        this.#hexStrings(count, SPAN_ID_DIGITS);
        break;
      case 'TraceFlags':
        this.#take(count);
        break;
      case 'ResourceAttributes':
      case 'LogAttributes':
        this.#map(count);
        break;
      case 'UrgencyClass':
        this.#repeated(Buffer.from([urgencyRank(expected.urgency) + 1]), count);
        break;
      case 'AgentId':
        this.#same(encodeConstantDictionary(expected.agentId, count));
        break;
      case 'BlockEpoch':
        this.#repeated(uint64Bytes(expected.epoch), count);
        break;
      case 'BlockSequence':
        this.#repeated(uint64Bytes(expected.sequence), count);
        break;
      case 'RecordNumber':
        this.#recordNumbers(count);
        break;
      default:
        throw this.#error('not a known column');
    }
  }

  #timestamps(count: number): void {
    const raw = this.#raw;
    let at = this.#take(8 * count);
    for (let record = 0; record < count; record += 1, at += 8) {
      if (raw.readUInt32LE(at + 4) * TWO_TO_32 + raw.readUInt32LE(at) > MAX_NANOS) {
        throw this.#error(`record ${record} lies outside of 1970..2105`);
      }
    }
  }

  #severities(count: number): void {
    const start = this.#take(count);
    for (let at = start; at < start + count; at += 1) {
      if ((this.#raw[at] ?? 0) > MAX_SEVERITY_NUMBER) throw this.#error('a severity above 24');
    }
  }

  /** Strings: lengths within what is there. */
  #strings(count: number): void {
    const raw = this.#raw;
    const end = this.#end;
    let at = this.#at;
    for (let record = 0; record < count; record += 1) {
      let length = raw[at] ?? 0;
      if (length < 0x80 && at < end) {
        at += 1;
      } else {
        this.#at = at;
        length = this.#varint();
        at = this.#at;
      }
      if (length > end - at) throw this.#error(`string ${record} is longer than the block`);
      at += length;
    }
    this.#at = at;
  }

  #hexStrings(count: number, digits: number): void {
    for (let record = 0; record < count; record += 1) {
      const length = this.#varint();
      if (length === 0) continue;
      if (length !== digits) throw this.#error(`record ${record} has ${length} characters, not ${digits}`);
      const start = this.#take(length);
      for (let at = start; at < start + length; at += 1) {
        const byte = this.#raw[at] ?? 0;
        const isHex = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);
        if (!isHex) throw this.#error(`record ${record} is not lower-case hex`);
      }
    }
  }

  #version(): void {
    if (this.#uint64() !== LOW_CARDINALITY_VERSION) throw this.#error('unknown dictionary version');
  }

  /** Keys and indexes of a LowCardinality column behind its version. */
  #dictionary(count: number): void {
    if (count === 0) return;
    const flags = this.#uint64();
    const widthCode = flags - HAS_ADDITIONAL_KEYS;
    if (widthCode < 0 || widthCode > 2) throw this.#error(`unknown dictionary flags ${flags}`);
    const keyCount = this.#uint64();
    if (keyCount < 1 || keyCount > count) throw this.#error(`${keyCount} keys for ${count} values`);
    this.#strings(keyCount);
    if (this.#uint64() !== count) throw this.#error(`the number of indexes is not ${count}`);
    const width = 1 << widthCode;
    const start = this.#take(width * count);
    const end = start + width * count;
    const raw = this.#raw;
    for (let at = start; at < end; at += width) {
      const index = width === 1 ? (raw[at] ?? 0) : width === 2 ? raw.readUInt16LE(at) : raw.readUInt32LE(at);
      if (index >= keyCount) throw this.#error(`index ${index} of ${keyCount} keys`);
    }
  }

  #map(count: number): void {
    this.#version();
    const raw = this.#raw;
    const start = this.#take(8 * count);
    let entries = 0;
    for (let at = start; at < start + 8 * count; at += 8) {
      const offset = raw.readUInt32LE(at);
      if (raw.readUInt32LE(at + 4) !== 0 || offset < entries) throw this.#error('offsets do not ascend');
      entries = offset;
    }
    if (entries > this.#end - this.#at) throw this.#error('more entries than bytes');
    this.#dictionary(entries);
    this.#strings(entries);
  }

  #repeated(pattern: Buffer, count: number): void {
    const start = this.#take(pattern.length * count);
    for (let at = start; at < this.#at; at += pattern.length) {
      for (let byte = 0; byte < pattern.length; byte += 1) {
        if (this.#raw[at + byte] !== pattern[byte]) throw this.#error('not the expected constant');
      }
    }
  }

  #same(bytes: Buffer): void {
    const start = this.#take(bytes.length);
    if (bytes.compare(this.#raw, start, this.#at) !== 0) throw this.#error('not the expected constant');
  }

  #recordNumbers(count: number): void {
    const start = this.#take(4 * count);
    for (let record = 0; record < count; record += 1) {
      if (this.#raw.readUInt32LE(start + 4 * record) !== record)
        throw this.#error('records are not numbered 0..');
    }
  }

  /** Moves over bytes that must be there; returns where they begin. */
  #take(bytes: number): number {
    const start = this.#at;
    if (bytes > this.#end - start) throw this.#error('it is cut off');
    this.#at = start + bytes;
    return start;
  }

  /** A number below 2^32 in its shortest form. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 5; shift += 1) {
      const byte = this.#raw[this.#take(1)] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) {
        if (value >= TWO_TO_32 || (byte === 0 && shift > 0)) break;
        return value;
      }
    }
    throw this.#error('a number that is too long');
  }

  /** A UInt64; above 2^53 it is inexact, and no such number is valid anywhere. */
  #uint64(): number {
    const at = this.#take(8);
    return this.#raw.readUInt32LE(at + 4) * TWO_TO_32 + this.#raw.readUInt32LE(at);
  }

  #error(reason: string): SluiceError {
    return malformed(`${this.#column} at byte ${this.#at}: ${reason}`);
  }
}

function uint64Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeUInt64(bytes, 0, value);
  return bytes;
}
