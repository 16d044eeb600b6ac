/**
 * What the texts of a LowCardinality column take once they are written out. A block has each of them once, however often it is
 * used; the engine writes them out for its indexes, and for people. Four megabytes that are used a hundred thousand times are
 * more than any memory holds: such a block could not be loaded, and what it is among could not be searched.
 */
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';

/** So many times its size before compression a block may be when its texts are written out; what lines give stays below five. */
export const WRITTEN_PER_RAW_BYTE = 16;
/** Of all texts of a block. The engine loads it about as quickly as some blocks of plain text. */
export const MAX_WRITTEN_BYTES: number = WRITTEN_PER_RAW_BYTE * MAX_BLOCK_RAW_BYTES;
/** Of the names of one record's attributes in one column: bounds what one record is when it is read. */
export const MAX_NAME_BYTES_OF_RECORD: number = MAX_BLOCK_RAW_BYTES;

/** A bound of one column that is good enough: all columns together, ten at most, stay below the limit. */
const SMALL_COLUMN_BYTES: number = MAX_WRITTEN_BYTES / 16;

/** Where the keys and the indexes of a column lie, all of which were checked. */
export interface Dictionary {
  readonly raw: Buffer;
  /** Of each key, without what says its length. */
  readonly keyLengths: Uint32Array;
  readonly longestKeyBytes: number;
  readonly indexesAt: number;
  readonly indexBytes: 1 | 2 | 4;
  /** How many indexes there are. */
  readonly count: number;
}

/** @returns not less than the texts take; it is worked out only where it might be much */
export function writtenBytes(dictionary: Dictionary): number {
  const { longestKeyBytes, count } = dictionary;
  const mostBytes = longestKeyBytes * count;
  return mostBytes <= SMALL_COLUMN_BYTES ? mostBytes : sumOf(dictionary, 0, count);
}

/**
 * The first record of a map whose names are above the limit.
 *
 * @param endsAt where in `raw` the ends of the records stand, each as UInt64
 * @returns its number; -1 when there is none
 */
export function recordWithLongNames(
  dictionary: Dictionary,
  endsAt: number,
  recordCount: number,
  mostEntries: number,
): number {
  if (dictionary.longestKeyBytes * mostEntries <= MAX_NAME_BYTES_OF_RECORD) return -1;
  let start = 0;
  for (let record = 0; record < recordCount; record += 1) {
    const end = dictionary.raw.readUInt32LE(endsAt + 8 * record);
    if (sumOf(dictionary, start, end) > MAX_NAME_BYTES_OF_RECORD) return record;
    start = end;
  }
  return -1;
}

function sumOf({ raw, keyLengths, indexesAt, indexBytes }: Dictionary, start: number, end: number): number {
  let bytes = 0;
  for (let entry = start; entry < end; entry += 1)
    bytes += keyLengths[raw.readUIntLE(indexesAt + indexBytes * entry, indexBytes)] ?? 0;
  return bytes;
}
