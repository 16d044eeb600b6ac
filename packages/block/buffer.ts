/**
 * Column data that grows: bytes, dictionaries and maps. They keep their memory when cleared, so a builder in steady
 * use allocates nothing.
 */
import {
  encodeString,
  HAS_ADDITIONAL_KEYS,
  indexWidthBytes,
  indexWidthCode,
  LOW_CARDINALITY_VERSION,
  writeVarint,
} from './columns.ts';
import type { AttributeList, PreparedAttributes } from './record.ts';
import { releaseMemory } from './release-memory.ts';

/** Below this a loop beats the call into the runtime's copy. */
const SHORT_COPY_BYTES = 24;
const INITIAL_BYTES = 4096;
const INITIAL_INDEXES = 1024;

/** Bytes that grow by doubling. */
export class GrowableBytes {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  length = 0;

  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    releaseMemory(this.buffer);
    this.buffer = larger;
  }

  /** Appends a string of the format whose bytes are `source[start, end)`. */
  appendRange(source: Buffer, start: number, end: number): void {
    const bytes = end - start;
    this.reserve(bytes + 5);
    const target = this.buffer;
    let at = writeVarint(target, this.length, bytes);
    if (bytes < SHORT_COPY_BYTES) {
      for (let from = start; from < end; from += 1, at += 1) target[at] = source[from] ?? 0;
    } else {
      source.copy(target, at, start, end);
      at += bytes;
    }
    this.length = at;
  }

  /** Appends a string of the format. */
  appendText(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.reserve(bytes + 5);
    const at = writeVarint(this.buffer, this.length, bytes);
    this.buffer.write(text, at, bytes, 'utf8');
    this.length = at + bytes;
  }

  /** Appends bytes that are encoded already. */
  appendEncoded(bytes: Buffer): void {
    this.reserve(bytes.length);
    // Prepared attributes are short as a rule: see SHORT_COPY_BYTES.
    if (bytes.length < 2 * SHORT_COPY_BYTES) {
      const target = this.buffer;
      for (let from = 0, at = this.length; from < bytes.length; from += 1, at += 1)
        target[at] = bytes[from] ?? 0;
    } else {
      bytes.copy(this.buffer, this.length);
    }
    this.length += bytes.length;
  }

  appendByte(byte: number): void {
    this.reserve(1);
    this.buffer[this.length] = byte;
    this.length += 1;
  }

  clear(): void {
    this.length = 0;
  }
}

/** A LowCardinality(String) column: keys once, an index for each value. */
export class DictionaryColumn {
  readonly #keys = new GrowableBytes();
  readonly #indexByKey = new Map<string, number>();
  #indexes = new Uint32Array(INITIAL_INDEXES);
  #count = 0;
  #lastKey: string | undefined;
  #lastIndex = 0;
  #longestKeyBytes = 0;

  /** Not less than all values take when they are written out (dictionary-size.ts). */
  get mostWrittenBytes(): number {
    return this.#longestKeyBytes * this.#count;
  }

  get count(): number {
    return this.#count;
  }

  get keyCount(): number {
    return this.#indexByKey.size;
  }

  /** Exact size of what `write` writes. */
  get encodedBytes(): number {
    if (this.#count === 0) return 0;
    return 24 + this.#keys.length + this.#count * indexWidthBytes(this.#indexByKey.size);
  }

  append(key: string): void {
    this.appendIndex(key === this.#lastKey ? this.#lastIndex : this.indexOf(key));
  }

  appendIndex(index: number): void {
    if (this.#count === this.#indexes.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#indexes);
      this.#indexes = larger;
    }
    this.#indexes[this.#count] = index;
    this.#count += 1;
  }

  /** The index of a key, which becomes a key when it was none. */
  indexOf(key: string): number {
    let index = this.#indexByKey.get(key);
    if (index === undefined) {
      index = this.#indexByKey.size;
      this.#indexByKey.set(key, index);
      const before = this.#keys.length;
      this.#keys.appendText(key);
      this.#longestKeyBytes = Math.max(this.#longestKeyBytes, this.#keys.length - before);
    }
    this.#lastKey = key;
    this.#lastIndex = index;
    return index;
  }

  /** Writes flags, keys and indexes (not the version); returns the offset behind them. Nothing when empty. */
  write(target: Buffer, offset: number): number {
    if (this.#count === 0) return offset;
    const keyCount = this.#indexByKey.size;
    const width = indexWidthBytes(keyCount);
    let at = writeUInt64(target, offset, HAS_ADDITIONAL_KEYS | indexWidthCode(width));
    at = writeUInt64(target, at, keyCount);
    at += this.#keys.buffer.copy(target, at, 0, this.#keys.length);
    at = writeUInt64(target, at, this.#count);
    const indexes = this.#indexes;
    for (let position = 0; position < this.#count; position += 1) {
      const index = indexes[position] ?? 0;
      target[at] = index;
      if (width > 1) target[at + 1] = index >>> 8;
      if (width > 2) {
        target[at + 2] = index >>> 16;
        target[at + 3] = index >>> 24;
      }
      at += width;
    }
    return at;
  }

  clear(): void {
    this.#keys.clear();
    this.#indexByKey.clear();
    this.#count = 0;
    this.#lastKey = undefined;
    this.#longestKeyBytes = 0;
  }
}

/** A Map(LowCardinality(String), String) column. */
export class MapColumn {
  readonly #keys = new DictionaryColumn();
  readonly #values = new GrowableBytes();
  #recordCount = 0;
  /** End offsets as UInt64, low limb first; the high limbs stay 0. */
  #offsets = new Uint32Array(2 * INITIAL_INDEXES);
  readonly #preparedIndexes = new Map<PreparedAttributes, readonly number[]>();
  #lastPrepared: PreparedAttributes | undefined;
  #lastPreparedIndexes: readonly number[] = [];

  get keyCount(): number {
    return this.#keys.keyCount;
  }

  /** As of its names' dictionary. */
  get mostWrittenBytes(): number {
    return this.#keys.mostWrittenBytes;
  }

  get encodedBytes(): number {
    return 8 + 8 * this.#recordCount + this.#keys.encodedBytes + this.#values.length;
  }

  /** Appends one record's map: the prepared attributes, then the list's, whose ranges are of `source`. */
  append(prepared: PreparedAttributes, list: AttributeList | undefined, source: Buffer): void {
    const keys = this.#keys;
    if (prepared.keys.length > 0) {
      if (prepared !== this.#lastPrepared) this.#prepare(prepared);
      for (const index of this.#lastPreparedIndexes) keys.appendIndex(index);
      this.#values.appendEncoded(prepared.encodedValues);
    }
    if (list !== undefined) {
      for (let position = 0; position < list.count; position += 1) {
        keys.append(list.keys[position] ?? '');
        const text = list.texts[position];
        if (text === undefined) {
          this.#values.appendRange(source, list.starts[position] ?? 0, list.ends[position] ?? 0);
        } else {
          this.#values.appendText(text);
        }
      }
    }
    const at = 2 * this.#recordCount;
    if (at === this.#offsets.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    this.#offsets[at] = keys.count;
    this.#recordCount += 1;
  }

  #prepare(prepared: PreparedAttributes): void {
    let indexes = this.#preparedIndexes.get(prepared);
    if (indexes === undefined) {
      indexes = prepared.keys.map((key) => this.#keys.indexOf(key));
      this.#preparedIndexes.set(prepared, indexes);
    }
    this.#lastPrepared = prepared;
    this.#lastPreparedIndexes = indexes;
  }

  write(target: Buffer, offset: number): number {
    let at = writeUInt64(target, offset, LOW_CARDINALITY_VERSION);
    at += copyBytes(this.#offsets, 8 * this.#recordCount, target, at);
    at = this.#keys.write(target, at);
    return at + this.#values.buffer.copy(target, at, 0, this.#values.length);
  }

  clear(): void {
    this.#keys.clear();
    this.#values.clear();
    this.#recordCount = 0;
    this.#preparedIndexes.clear();
    this.#lastPrepared = undefined;
  }
}

/** Writes a safe integer as UInt64; returns the offset behind it. */
export function writeUInt64(target: Buffer, offset: number, value: number): number {
  target.writeUInt32LE(value % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
  return offset + 8;
}

/** Copies the first bytes of a typed array (little-endian machines only, as all that the engine runs on). */
export function copyBytes(
  source: Uint32Array | Uint8Array,
  bytes: number,
  target: Buffer,
  offset: number,
): number {
  target.set(new Uint8Array(source.buffer, source.byteOffset, bytes), offset);
  return bytes;
}

/** A LowCardinality(String) column with one value, `count` times, its version first. */
export function encodeConstantDictionary(value: string, count: number): Buffer {
  const key = encodeString(value);
  const encoded = Buffer.alloc(32 + key.length + count);
  let at = writeUInt64(encoded, 0, LOW_CARDINALITY_VERSION);
  at = writeUInt64(encoded, at, HAS_ADDITIONAL_KEYS);
  at = writeUInt64(encoded, at, 1);
  at += key.copy(encoded, at);
  writeUInt64(encoded, at, count);
  return encoded;
}
