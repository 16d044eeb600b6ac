/**
 * Opens a payload that came from elsewhere and checks all of it (format.md) before anything else sees it.
 *
 * Invariants:
 * - Total: whatever the bytes are, the result is an opened block or SluiceError `block_malformed`.
 * - Never more memory than five times the stated raw size, which is bounded by MAX_BLOCK_RAW_BYTES; time is linear in it.
 * - What passes can be written out (dictionary-size.ts).
 * - A block that passes holds exactly what the expectation says, so its constants need no look in the store.
 */
import { messageOf, SluiceError } from '@sluice/base/error';
import type { AgentId, UrgencyClass } from '@sluice/protocol/model';
import { urgencyRank } from '@sluice/protocol/model';
import { encodeConstantDictionary, writeUInt64 } from './buffer.ts';
import type { AgentColumn } from './columns.ts';
import {
  columnHead,
  HAS_ADDITIONAL_KEYS,
  LOW_CARDINALITY_VERSION,
  MAX_TIMESTAMP_SECONDS,
} from './columns.ts';
import { decompressFrame, malformed } from './compression.ts';
import {
  type Dictionary,
  MAX_NAME_BYTES_OF_RECORD,
  MAX_WRITTEN_BYTES,
  recordWithLongNames,
  writtenBytes,
} from './dictionary-size.ts';
import { BLOCK_FORMATS, type BlockFormat, type BlockFormats, splitPayload } from './formats.ts';
import { columnsOfOtlp } from './otlp-reader.ts';
import { releaseMemory } from './release-memory.ts';

const MAX_NANOS = (MAX_TIMESTAMP_SECONDS + 1) * 1e9;
const TWO_TO_32 = 0x1_0000_0000;

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
  readonly format: BlockFormat;
  readonly recordCount: number;
  /** The uncompressed payload; of another encoding, the columns that were made of it. */
  readonly raw: Buffer;
  /** Where the data of each column begins in `raw`, in the order of the format; the last entry is the end. */
  readonly columnOffsets: readonly number[];
}

/**
 * Decompresses and checks a payload.
 *
 * @throws SluiceError `block_malformed` with the reason; `protocol_mismatch` for a format that is not among `formats`.
 */
export function openBlock(
  payload: Uint8Array,
  expected: ExpectedBlock,
  formats: BlockFormats = BLOCK_FORMATS,
): OpenedBlock {
  const { formatNumber, frame } = splitPayload(payload);
  const format = formats.get(formatNumber);
  if (format === undefined) throw unknownFormat(formatNumber, formats);
  const content = decompressFrame(frame, expected.rawBytes);
  const raw = format.encoding === 'otlp' ? columnsOfOtlp(content, expected) : content;
  try {
    return new BlockReader(raw).read(format, expected);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    // Reading is bounded by explicit checks; should one be missing, the block is still only malformed.
    throw malformed(messageOf(error));
  }
}

/** What is known of a block that passed. */
export interface CheckedBlock {
  /** What its columns take, uncompressed: its raw size, unless it is of another encoding. */
  readonly columnBytes: number;
}

/**
 * The same for who only wants to know: the uncompressed payload is freed at once.
 *
 * @throws SluiceError as {@link openBlock}.
 */
export function checkBlock(payload: Uint8Array, expected: ExpectedBlock): CheckedBlock {
  const { raw } = openBlock(payload, expected);
  const columnBytes = raw.length;
  releaseMemory(raw);
  return { columnBytes };
}

/** The error for a block that may be whole, but is of a version that is not known here. */
export function unknownFormat(formatNumber: number, formats: BlockFormats): SluiceError {
  const known = [...formats.keys()].join(', ');
  return new SluiceError(
    'protocol_mismatch',
    `block format ${formatNumber} is not known here, only ${known}`,
    {
      hint: 'Update this server; the block waits at its agent until then.',
    },
  );
}

class BlockReader {
  readonly #raw: Buffer;
  readonly #end: number;
  #at = 0;
  #column = '';
  /** Of the dictionaries until now. */
  #writtenBytes = 0;

  constructor(raw: Buffer) {
    this.#raw = raw;
    this.#end = raw.length;
  }

  read(format: BlockFormat, expected: ExpectedBlock): OpenedBlock {
    const count = expected.recordCount;
    this.#column = 'header';
    if (!Number.isInteger(count) || count < 1) throw this.#error(`${count} records`);
    if (format.countedServerColumns !== undefined) {
      const columnCount = format.columns.length + format.countedServerColumns;
      if (this.#varint() !== columnCount) throw this.#error('wrong number of columns');
      if (this.#varint() !== count) throw this.#error(`the number of records is not ${count}`);
    }
    const offsets: number[] = [];
    for (const column of format.columns) {
      this.#head(column);
      offsets.push(this.#at);
      this.#data(column, count, expected);
    }
    offsets.push(this.#at);
    if (this.#at !== this.#end) throw this.#error(`${this.#end - this.#at} bytes are left over`);
    return { format, recordCount: count, raw: this.#raw, columnOffsets: offsets };
  }

  #head(column: AgentColumn): void {
    const head = columnHead(column);
    this.#column = column.name;
    const end = this.#at + head.length;
    if (end > this.#end || head.compare(this.#raw, this.#at, end) !== 0) {
      throw this.#error('its name or type is not as expected');
    }
    this.#at = end;
  }

  #data({ encoding }: AgentColumn, count: number, expected: ExpectedBlock): void {
    switch (encoding.kind) {
      case 'timestamps':
        this.#timestamps(count);
        break;
      case 'integers':
        this.#integers(count, encoding.bytes, encoding.most);
        break;
      case 'strings':
        this.#strings(count);
        break;
      case 'hex_strings':
        this.#hexStrings(count, encoding.digits);
        break;
      case 'dictionary':
        this.#version();
        this.#dictionary(count);
        break;
      case 'map':
        this.#map(count);
        break;
      case 'record_numbers':
        this.#recordNumbers(count);
        break;
      case 'constant':
        if (encoding.of === 'agentId') this.#same(encodeConstantDictionary(expected.agentId, count));
        else this.#repeated(constantBytes(encoding.of, expected), count);
        break;
      default:
        encoding satisfies never;
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

  #integers(count: number, bytes: 1 | 4 | 8, most: number): void {
    const raw = this.#raw;
    const start = this.#take(bytes * count);
    const end = start + bytes * count;
    if (most >= 2 ** (8 * bytes) - 1) return;
    for (let at = start; at < end; at += bytes) {
      let value = raw[at] ?? 0;
      if (bytes > 1) value = raw.readUInt32LE(at);
      if (bytes > 4) value += raw.readUInt32LE(at + 4) * TWO_TO_32;
      if (value > most) throw this.#error(`a value above ${most}`);
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
  #dictionary(count: number): Dictionary | undefined {
    if (count === 0) return undefined;
    const flags = this.#uint64();
    const widthCode = flags - HAS_ADDITIONAL_KEYS;
    if (widthCode < 0 || widthCode > 2) throw this.#error(`unknown dictionary flags ${flags}`);
    const keyCount = this.#uint64();
    if (keyCount < 1 || keyCount > count) throw this.#error(`${keyCount} keys for ${count} values`);
    const keyLengths = this.#keys(keyCount);
    if (this.#uint64() !== count) throw this.#error(`the number of indexes is not ${count}`);
    const width = widthCode === 2 ? 4 : widthCode === 1 ? 2 : 1;
    const start = this.#take(width * count);
    const end = start + width * count;
    const raw = this.#raw;
    for (let at = start; at < end; at += width) {
      const index = width === 1 ? (raw[at] ?? 0) : width === 2 ? raw.readUInt16LE(at) : raw.readUInt32LE(at);
      if (index >= keyCount) throw this.#error(`index ${index} of ${keyCount} keys`);
    }
    const longestKeyBytes = keyLengths.reduce((longest, length) => Math.max(longest, length), 0);
    const dictionary = {
      raw,
      keyLengths,
      longestKeyBytes,
      indexesAt: start,
      indexBytes: width,
      count,
    } as const;
    this.#writtenBytes += writtenBytes(dictionary);
    if (this.#writtenBytes > MAX_WRITTEN_BYTES)
      throw this.#error(`written out, its texts have more than ${MAX_WRITTEN_BYTES} bytes`);
    return dictionary;
  }

  /** Lengths of the keys of a dictionary. */
  #keys(count: number): Uint32Array {
    const lengths = new Uint32Array(count);
    for (let key = 0; key < count; key += 1) {
      const length = this.#varint();
      this.#take(length);
      lengths[key] = length;
    }
    return lengths;
  }

  #map(count: number): void {
    this.#version();
    const raw = this.#raw;
    const start = this.#take(8 * count);
    let entries = 0;
    let mostEntries = 0;
    for (let at = start; at < start + 8 * count; at += 8) {
      const offset = raw.readUInt32LE(at);
      if (raw.readUInt32LE(at + 4) !== 0 || offset < entries) throw this.#error('offsets do not ascend');
      mostEntries = Math.max(mostEntries, offset - entries);
      entries = offset;
    }
    if (entries > this.#end - this.#at) throw this.#error('more entries than bytes');
    const names = this.#dictionary(entries);
    const record = names === undefined ? -1 : recordWithLongNames(names, start, count, mostEntries);
    if (record >= 0)
      throw this.#error(`the names of record ${record} have more than ${MAX_NAME_BYTES_OF_RECORD} bytes`);
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

function constantBytes(of: 'urgency' | 'epoch' | 'sequence', expected: ExpectedBlock): Buffer {
  return of === 'urgency' ? Buffer.from([urgencyRank(expected.urgency) + 1]) : uint64Bytes(expected[of]);
}

function uint64Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeUInt64(bytes, 0, value);
  return bytes;
}
