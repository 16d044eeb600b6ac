/**
 * Reads the pages of an LMDB file as bytes, without LMDB. The library trusts its file: a bit that flipped in one ends the
 * process with a signal, reads other memory, or writes over pages that are in use. So a file is walked here first, where
 * the worst that damage can do is to be found.
 *
 * The format is LMDB's own (data version 2, 64 bits, little endian, as the `lmdb` package has it): mdb.c, MDB_page_header,
 * MDB_node, MDB_db, MDB_meta, MDB_ovpage.
 *
 * Invariants: nothing is written; a page is visited once, so that every walk ends; no read leaves the file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const PAGE_HEADER_BYTES = 24;
const PAGE_TRANSACTION_OFFSET = 8;
const PAGE_FLAGS_OFFSET = 18;
const PAGE_LOWER_OFFSET = 20;
const PAGE_UPPER_OFFSET = 22;
/** Of an overflow page: how many pages it has, in place of the bounds. */
const PAGE_COUNT_OFFSET = 20;
const NODE_HEADER_BYTES = 8;
const TREE_BYTES = 48;
const OVERFLOW_REFERENCE_BYTES = 24;

const FLAG_BRANCH = 0x01;
const FLAG_LEAF = 0x02;
const FLAG_OVERFLOW = 0x04;
const FLAG_META = 0x08;

const NODE_OVERFLOW = 0x01;
const NODE_TREE = 0x02;

const LMDB_MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 160;
const META_MAP_BYTES_OFFSET = 40;
const META_FREE_TREE_OFFSET = 48;
const META_MAIN_TREE_OFFSET = META_FREE_TREE_OFFSET + TREE_BYTES;
const META_LAST_PAGE_OFFSET = 144;
const META_TRANSACTION_OFFSET = 152;
/** LMDB's own bounds of a page size. */
const MIN_PAGE_BYTES = 256;
const MAX_PAGE_BYTES = 65_536;
/** LMDB's longest way from a root to a leaf. */
const MAX_DEPTH = 32;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** A tree of pages: one database, or the list of free pages. */
export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Undefined for an empty tree. */
  readonly root: number | undefined;
}

/** One of the two header pages. */
export interface MetaPage {
  readonly pageBytes: number;
  /** Of the address space that the library takes. */
  readonly mapBytes: number;
  readonly freeTree: Tree;
  readonly mainTree: Tree;
  readonly lastPage: number;
  readonly transaction: bigint;
}

/** An entry of a leaf. */
export interface TreeEntry {
  readonly key: Buffer;
  /** Empty when it lies on pages of its own and those are skipped. */
  readonly value: Buffer;
  readonly valueBytes: number;
  /** The value is a tree of its own: a named database. */
  readonly isTree: boolean;
}

/** Of the pages that a walk saw. */
export interface TreeCounts {
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
}

export class LmdbPageReader implements Disposable {
  readonly #descriptor: number;
  readonly sizeBytes: number;
  /** Of the newest header page that can be read; undefined when none can. */
  readonly meta: MetaPage | undefined;
  /**
   * Both header pages can be read, as LMDB wants, and are of transactions that follow each other: the library writes them in
   * turn, so that a number that was damaged would make it take the older state for the newer one.
   */
  readonly hasBothMetas: boolean;
  readonly #pageBytes: number;
  /** Whole pages in the file. */
  readonly pageCount: number;
  readonly #seen: Uint8Array;
  #highestPage = 1;

  /** Throws what the file system says. */
  constructor(file: string) {
    this.#descriptor = openSync(file, 'r');
    this.sizeBytes = fstatSync(this.#descriptor).size;
    const metas = this.#readMetas();
    this.hasBothMetas = areInTurn(metas);
    this.meta = metas.toSorted((one, other) => (one.transaction < other.transaction ? 1 : -1))[0];
    this.#pageBytes = this.meta?.pageBytes ?? MIN_PAGE_BYTES;
    this.pageCount = this.meta === undefined ? 0 : Math.floor(this.sizeBytes / this.#pageBytes);
    this.#seen = new Uint8Array(Math.ceil(this.pageCount / 8));
    this.claim(0);
    this.claim(1);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** Marks a page as seen. Returns false when it was seen before, or is no page of the file. */
  claim(page: number): boolean {
    if (!Number.isSafeInteger(page) || page < 0 || page >= this.pageCount) return false;
    const bit = 1 << (page & 7);
    const byte = this.#seen[page >> 3] ?? 0;
    if ((byte & bit) !== 0) return false;
    this.#seen[page >> 3] = byte | bit;
    this.#highestPage = Math.max(this.#highestPage, page);
    return true;
  }

  /** Of the pages that were claimed. */
  get highestPage(): number {
    return this.#highestPage;
  }

  /**
   * All entries of a tree in the order in which it has them. `problem` may throw to end the walk; when it returns, the damaged
   * part is left out.
   */
  *entries(
    tree: Tree,
    problem: (reason: string) => void,
    options: WalkOptions = {},
  ): Generator<TreeEntry, void, undefined> {
    const { root, depth } = tree;
    const walk = { skipsValues: false, counts: noPages(), separator: ignore, ...options, problem, depth };
    if (root !== undefined) yield* this.#page(root, 1, this.meta?.transaction ?? 0n, walk);
  }

  /** @param newest of the page that leads here: a page that changes is copied, and so are those that lead to it */
  *#page(number: number, level: number, newest: bigint, walk: Walk): Generator<TreeEntry, void, undefined> {
    const { problem, counts } = walk;
    if (level > MAX_DEPTH) return problem('its tree has no end');
    if (!this.claim(number)) return problem(`page ${number} is missing, or used twice`);
    const page = Buffer.allocUnsafe(this.#pageBytes);
    this.#read(page, number * this.#pageBytes);
    const flags = page.readUInt16LE(PAGE_FLAGS_OFFSET);
    if (page.readBigUInt64LE(0) !== BigInt(number)) return problem(`page ${number} is another page`);
    const transaction = page.readBigUInt64LE(PAGE_TRANSACTION_OFFSET);
    // The library takes a page of a later transaction for one of its own that is still in memory, and frees what is not there.
    if (transaction > newest) problem(`page ${number} is newer than what leads to it`);
    if (flags !== FLAG_BRANCH && flags !== FLAG_LEAF)
      return problem(`page ${number} is of no known kind (${flags})`);
    const isLeaf = flags === FLAG_LEAF;
    if (isLeaf !== (level === walk.depth)) problem(`page ${number} is on another level than it should be`);
    const lower = page.readUInt16LE(PAGE_LOWER_OFFSET);
    const upper = page.readUInt16LE(PAGE_UPPER_OFFSET);
    if (lower > upper || upper > this.#pageBytes - PAGE_HEADER_BYTES || (lower & 1) !== 0)
      return problem(`the bounds of page ${number} cannot be`);
    if (isLeaf) counts.leafPages += 1;
    else counts.branchPages += 1;
    const starts = Array.from({ length: lower >> 1 }, (_, index) => nodeStart(page, index));
    const ends = nodeEnds(starts, page.length);
    for (const [index, start] of starts.entries()) {
      if (start < upper + PAGE_HEADER_BYTES || start + NODE_HEADER_BYTES > page.length) {
        problem(`entry ${index} of page ${number} lies outside of it`);
      } else if (nodeEnd(page, start, isLeaf) !== ends.get(start)) {
        // The library takes such an entry out by its length, and its neighbours with it.
        problem(`entry ${index} of page ${number} is not as long as its place`);
      } else if (isLeaf) {
        const entry = this.#entry(page, start, transaction, walk);
        if (entry !== undefined) yield entry;
      } else {
        // The first key of a branch page is never looked at, and may be any.
        if (index > 0) walk.separator(nodeKey(page, start));
        yield* this.#page(childOf(page, start), level + 1, transaction, walk);
      }
    }
    if (Math.min(page.length, ...starts) !== upper + PAGE_HEADER_BYTES)
      problem(`the bounds of page ${number} are not those of its entries`);
  }

  /** The entry of a leaf that starts there. Undefined after a problem. */
  #entry(page: Buffer, start: number, newest: bigint, walk: Walk): TreeEntry | undefined {
    const { problem, counts } = walk;
    const valueBytes = page.readUInt32LE(start);
    const flags = page.readUInt16LE(start + 4);
    const keyStart = start + NODE_HEADER_BYTES;
    const keyEnd = keyStart + page.readUInt16LE(start + 6);
    const isOverflow = flags === NODE_OVERFLOW;
    const isTree = flags === NODE_TREE;
    const inlineBytes = isOverflow ? OVERFLOW_REFERENCE_BYTES : valueBytes;
    if (flags !== 0 && !isOverflow && !isTree) problem(`an entry is of no known kind (${flags})`);
    else if (keyEnd + inlineBytes > page.length || (isTree && valueBytes !== TREE_BYTES))
      problem('an entry lies outside of its page');
    else {
      const inline = page.subarray(keyEnd, keyEnd + inlineBytes);
      const value = isOverflow ? this.#overflow(inline, valueBytes, newest, walk) : inline;
      if (value === undefined) return undefined;
      counts.entries += 1;
      return { key: page.subarray(keyStart, keyEnd), value, valueBytes, isTree };
    }
    return undefined;
  }

  /** A value on pages of its own. Undefined after a problem. */
  #overflow(reference: Buffer, sizeBytes: number, newest: bigint, walk: Walk): Buffer | undefined {
    const { counts } = walk;
    const first = Number(reference.readBigUInt64LE(0));
    const transaction = reference.readBigUInt64LE(8);
    const pages = Number(reference.readBigUInt64LE(16));
    const wanted = Math.floor((PAGE_HEADER_BYTES - 1 + sizeBytes) / this.#pageBytes) + 1;
    const problem = (reason: string): undefined => {
      walk.problem(reason);
      return undefined;
    };
    if (pages !== wanted) return problem(`a value of ${sizeBytes} bytes has ${pages} pages`);
    // Beyond this, numbers are too large to be counted up.
    if (first >= this.pageCount) return problem(`page ${first} of a value is missing`);
    for (let page = first; page < first + pages; page += 1)
      if (!this.claim(page)) return problem(`page ${page} of a value is missing, or used twice`);
    const header = Buffer.allocUnsafe(PAGE_HEADER_BYTES);
    this.#read(header, first * this.#pageBytes);
    const isFirst =
      header.readBigUInt64LE(0) === BigInt(first) &&
      header.readUInt16LE(PAGE_FLAGS_OFFSET) === FLAG_OVERFLOW &&
      header.readUInt32LE(PAGE_COUNT_OFFSET) === pages &&
      header.readBigUInt64LE(PAGE_TRANSACTION_OFFSET) === transaction &&
      transaction <= newest;
    if (!isFirst) return problem(`page ${first} does not begin a value`);
    counts.overflowPages += pages;
    if (walk.skipsValues) return Buffer.alloc(0);
    const value = Buffer.allocUnsafe(sizeBytes);
    this.#read(value, first * this.#pageBytes + PAGE_HEADER_BYTES);
    return value;
  }

  #readMetas(): MetaPage[] {
    const first = this.#readMeta(0);
    // A first page that is damaged does not tell where the second is.
    const pageSizes = first === undefined ? [4096, 8192, 16_384, 32_768, 65_536] : [first.pageBytes];
    for (const pageBytes of pageSizes) {
      const second = this.#readMeta(pageBytes);
      if (second?.pageBytes === pageBytes) return first === undefined ? [second] : [first, second];
    }
    return first === undefined ? [] : [first];
  }

  #readMeta(position: number): MetaPage | undefined {
    const page = Buffer.alloc(META_BYTES);
    if (readSync(this.#descriptor, page, 0, META_BYTES, position) < META_BYTES) return undefined;
    if ((page.readUInt16LE(PAGE_FLAGS_OFFSET) & FLAG_META) === 0) return undefined;
    if (page.readUInt32LE(PAGE_HEADER_BYTES) !== LMDB_MAGIC) return undefined;
    if (page.readUInt32LE(PAGE_HEADER_BYTES + 4) !== DATA_VERSION) return undefined;
    const pageBytes = page.readUInt32LE(META_FREE_TREE_OFFSET);
    if (pageBytes < MIN_PAGE_BYTES || pageBytes > MAX_PAGE_BYTES || (pageBytes & (pageBytes - 1)) !== 0)
      return undefined;
    return {
      pageBytes,
      mapBytes: Number(page.readBigUInt64LE(META_MAP_BYTES_OFFSET)),
      freeTree: readTree(page, META_FREE_TREE_OFFSET),
      mainTree: readTree(page, META_MAIN_TREE_OFFSET),
      lastPage: Number(page.readBigUInt64LE(META_LAST_PAGE_OFFSET)),
      transaction: page.readBigUInt64LE(META_TRANSACTION_OFFSET),
    };
  }

  #read(into: Buffer, position: number): void {
    let done = 0;
    while (done < into.length) {
      const read = readSync(this.#descriptor, into, done, into.length - done, position + done);
      if (read === 0) break;
      done += read;
    }
    // The end of the last page of a value may never have been written.
    into.fill(0, done);
  }
}

export interface WalkOptions {
  /** Values on pages of their own are not read. */
  readonly skipsValues?: boolean;
  /** Is told the pages that the walk saw. */
  readonly counts?: TreeCounts;
  /** Is told, between two entries, a key by which the library finds its way: above all that came, and not above all that come. */
  readonly separator?: (key: Buffer) => void;
}

interface Walk extends Required<WalkOptions> {
  readonly problem: (reason: string) => void;
  readonly depth: number;
}

function ignore(): void {
  // Nobody wants to know.
}

export function noPages(): TreeCounts {
  return { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
}

/** Reads the description of a tree: part of a header page, or the value of a named database. */
export function readTree(bytes: Buffer, offset: number): Tree {
  const root = bytes.readBigUInt64LE(offset + 40);
  return {
    flags: bytes.readUInt16LE(offset + 4),
    depth: bytes.readUInt16LE(offset + 6),
    branchPages: Number(bytes.readBigUInt64LE(offset + 8)),
    leafPages: Number(bytes.readBigUInt64LE(offset + 16)),
    overflowPages: Number(bytes.readBigUInt64LE(offset + 24)),
    entries: Number(bytes.readBigUInt64LE(offset + 32)),
    root: root === NO_PAGE ? undefined : Number(root),
  };
}

/** The name of a database by its key in the list of databases: it ends in a zero byte. */
export function databaseName(key: Buffer): string {
  return key.toString('latin1').replace(/\0$/, '');
}

/** Where a node of a page begins: the page lists it behind its header. */
function nodeStart(page: Buffer, index: number): number {
  return page.readUInt16LE(PAGE_HEADER_BYTES + 2 * index) + PAGE_HEADER_BYTES;
}

/** Nodes lie one behind the other up to the end of the page (mdb_node_add, mdb_node_del): by its beginning, where each ends. */
function nodeEnds(starts: readonly number[], pageBytes: number): Map<number, number> {
  const sorted = starts.toSorted((one, other) => one - other);
  return new Map(sorted.map((start, index) => [start, sorted[index + 1] ?? pageBytes]));
}

/** The key of a node that lies in the page. */
function nodeKey(page: Buffer, start: number): Buffer {
  const keyStart = start + NODE_HEADER_BYTES;
  return page.subarray(keyStart, keyStart + page.readUInt16LE(start + 6));
}

/** Transaction N is noted on header page N modulo 2, and 0 on both of a file without any. */
function areInTurn([first, second]: readonly MetaPage[]): boolean {
  if (first === undefined || second === undefined) return false;
  const [even, odd] = [first.transaction, second.transaction];
  if (odd === 0n) return even === 0n;
  return even % 2n === 0n && odd % 2n === 1n && (even - odd === 1n || odd - even === 1n);
}

/** Where a node ends by its own lengths (NODESIZE, EVEN). A branch has a key only: its other fields are a page. */
function nodeEnd(page: Buffer, start: number, isLeaf: boolean): number {
  const isOverflow = (page.readUInt16LE(start + 4) & NODE_OVERFLOW) !== 0;
  const valueBytes = isOverflow ? OVERFLOW_REFERENCE_BYTES : page.readUInt32LE(start);
  const bytes = NODE_HEADER_BYTES + page.readUInt16LE(start + 6) + (isLeaf ? valueBytes : 0);
  return start + bytes + (bytes % 2);
}

/** The page that a node of a branch leads to: 48 bits over three fields. */
function childOf(page: Buffer, node: number): number {
  return page.readUInt32LE(node) + page.readUInt16LE(node + 4) * 2 ** 32;
}
