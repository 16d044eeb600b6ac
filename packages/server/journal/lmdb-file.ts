/**
 * Looks at an LMDB file before LMDB maps it into memory. LMDB trusts its file: one that is something else, or that was
 * cut short (a copy that failed, a damaged file system), would end the process with a signal instead of an error.
 *
 * Invariant: a sound file is never refused and never changed in what it says.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

/** Where the fields of a meta page stand, from the beginning of the page (64-bit LMDB 1.0, as the `lmdb` package has it). */
const MAGIC_OFFSET = 24;
const PAGE_SIZE_OFFSET = 48;
const LAST_PAGE_OFFSET = 144;
const TRANSACTION_OFFSET = 152;
const META_BYTES = 160;
const MAGIC = 0xbeefc0de;
/** LMDB's own bounds of a page size. */
const MIN_PAGE_BYTES = 256;
const MAX_PAGE_BYTES = 65_536;

/**
 * Returns what is wrong with the file at `path`, or undefined when LMDB may open it. No file, and an empty one (what a
 * crash right after the creation leaves), are well.
 */
export function checkLmdbFile(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const sizeBytes = fstatSync(file).size;
    if (sizeBytes === 0) return undefined;
    const first = readMeta(file, 0);
    if (first === undefined) return 'it is not a database file';
    const second = readMeta(file, first.pageBytes);
    if (second === undefined) return 'its second meta page is missing';
    const newest = second.transaction > first.transaction ? second : first;
    const neededBytes = (newest.lastPage + 1) * newest.pageBytes;
    // The last pages may be free and were then never written: so a short file can be sound. Filled up with zeros,
    // it still is; and in one that was cut, LMDB finds pages without a type, which it reports as an error.
    if (sizeBytes < neededBytes) ftruncateSync(file, neededBytes);
    return undefined;
  } finally {
    closeSync(file);
  }
}

interface MetaPage {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: bigint;
}

function readMeta(file: number, position: number): MetaPage | undefined {
  const page = Buffer.alloc(META_BYTES);
  if (readSync(file, page, 0, META_BYTES, position) < META_BYTES) return undefined;
  if (page.readUInt32LE(MAGIC_OFFSET) !== MAGIC) return undefined;
  const pageBytes = page.readUInt32LE(PAGE_SIZE_OFFSET);
  if (pageBytes < MIN_PAGE_BYTES || pageBytes > MAX_PAGE_BYTES) return undefined;
  return {
    pageBytes,
    lastPage: Number(page.readBigUInt64LE(LAST_PAGE_OFFSET)),
    transaction: page.readBigUInt64LE(TRANSACTION_OFFSET),
  };
}
