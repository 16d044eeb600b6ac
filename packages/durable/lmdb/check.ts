/**
 * Whether an LMDB file may be given to the library: all of its structure is walked, page by page (page-reader.ts).
 *
 * Of a sound file all is true that is looked at here: each page is of one use, each tree has what it says that it has, its
 * keys ascend, each way from a branch leads to the keys that it names, no page is newer than what leads to it, and no page that
 * is in use is listed as free (the library would write over it). What keys and values say is for the owner of the file to
 * judge (entry-judge.ts). The cost is that of the pages that hold keys: a large value that the judge does not read is one look
 * at its first page.
 */
import { statSync } from 'node:fs';
import type { EntryJudge } from './entry-judge.ts';
import {
  databaseName,
  LmdbPageReader,
  noPages,
  readTree,
  type Tree,
  type TreeCounts,
  type TreeEntry,
} from './page-reader.ts';

/** The tree of free pages has numbers as keys; the other flag only says that the file stands alone. */
const FREE_TREE_FLAGS = 0x08;
const FILE_ALONE_FLAG = 0x4000;
const FIRST_DATA_PAGE = 2;
const PAGE_NUMBER_BYTES = 8;
/** More address space than any of our files has, and than a computer would give. */
const MAX_MAP_BYTES: number = 2 ** 46;

/** Ends a walk with its reason. */
class Damage extends Error {}

/**
 * Returns what is wrong with the file, in words that follow "the file FILE cannot be read:", or undefined when it is sound.
 * No file, and an empty one, are sound: the library makes a new one of them. Throws what the file system says, and what the
 * judge says of a file that is not for this program.
 *
 * @param judge looks at what the entries say; left out, only the structure is looked at
 */
export function lmdbDamage(file: string, judge?: EntryJudge): string | undefined {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return undefined;
  using reader = new LmdbPageReader(file);
  try {
    checkFile(reader, judge);
    return judge?.problem();
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

function checkFile(reader: LmdbPageReader, judge: EntryJudge | undefined): void {
  const { meta } = reader;
  if (meta === undefined) throw new Damage('it is not a database of Sluice, or its beginning is damaged');
  if (!reader.hasBothMetas) throw new Damage('one of its two header pages is damaged');
  const { freeTree, mainTree, lastPage, mapBytes, pageBytes, transaction } = meta;
  if (mapBytes > MAX_MAP_BYTES || (lastPage + 1) * pageBytes > mapBytes)
    throw new Damage('its header says sizes that cannot be');
  if ((freeTree.flags & ~FILE_ALONE_FLAG) !== FREE_TREE_FLAGS) throw new Damage('its header is damaged');
  const databases = new Map<string, Tree>();
  checkTree(reader, mainTree, 'the list of databases', ({ key, value, isTree }) => {
    const name = databaseName(key);
    if (!isTree) throw new Damage(`the database ${name} is no database`);
    databases.set(name, readTree(value, 0));
  });
  for (const name of inOrder(databases.keys(), judge))
    checkTree(
      reader,
      databases.get(name) ?? mainTree,
      `the database ${name}`,
      ({ isTree, ...entry }) => {
        if (isTree) throw new Damage('an entry is of another kind than it should be');
        judge?.see(name, entry);
      },
      { skipsValues: judge?.readsValues(name) !== true },
    );
  const free: FreeRange[] = [];
  checkTree(
    reader,
    { ...freeTree, flags: 0 },
    'the list of free pages',
    ({ key, value }) => {
      // Another page may stand in its place: order is looked at only from the second entry on.
      if (key.length !== PAGE_NUMBER_BYTES) throw new Damage('the list of free pages is damaged');
      if (key.readBigUInt64LE(0) > transaction)
        throw new Damage('pages were freed by a transaction that was not made');
      readFreePages(value, lastPage, free);
    },
    { hasNumberKeys: true },
  );
  if (reader.highestPage > lastPage) throw new Damage('pages behind its end are in use');
  // Only now: pages of the list itself may come behind those that it names. The last pages may never have been written.
  for (const { first, count } of free)
    for (let page = first; page < Math.min(first + count, reader.pageCount); page += 1)
      if (!reader.claim(page)) throw new Damage(`page ${page} is in use and listed as free`);
}

/** A judge has an order, since what one database says tells how to read another. */
function inOrder(found: Iterable<string>, judge: EntryJudge | undefined): Iterable<string> {
  const names = new Set(found);
  const known = (judge?.names ?? []).filter((name) => names.has(name));
  return new Set([...known, ...names]);
}

interface CheckTreeOptions {
  readonly skipsValues?: boolean;
  readonly hasNumberKeys?: boolean;
}

function checkTree(
  reader: LmdbPageReader,
  tree: Tree,
  name: string,
  visit: (entry: TreeEntry) => void,
  { skipsValues = false, hasNumberKeys = false }: CheckTreeOptions = {},
): void {
  if (tree.flags !== 0) throw new Damage(`the description of ${name} is damaged`);
  let last: Buffer | undefined;
  let floor: Buffer | undefined;
  const counts = noPages();
  const damaged = (reason: string): never => {
    throw new Damage(`${reason} (in ${name})`);
  };
  // Otherwise the library would not find what is there, and put it there a second time.
  const separator = (key: Buffer): void => {
    if (last === undefined || !ascends(last, key, hasNumberKeys)) damaged('a way to a page is damaged');
    floor = key;
  };
  for (const entry of reader.entries(tree, damaged, { skipsValues, counts, separator })) {
    const { key } = entry;
    if (last !== undefined && !ascends(last, key, hasNumberKeys)) damaged('keys do not ascend');
    if (floor !== undefined && ascends(key, floor, hasNumberKeys)) damaged('a way to a page is damaged');
    floor = undefined;
    last = key;
    visit(entry);
  }
  const names: readonly (keyof TreeCounts)[] = ['branchPages', 'leafPages', 'overflowPages', 'entries'];
  for (const count of names)
    if (counts[count] !== tree[count])
      throw new Damage(`${name} has ${counts[count]} ${WORDS[count]}, and says ${tree[count]}`);
}

const WORDS: Readonly<Record<keyof TreeCounts, string>> = {
  branchPages: 'pages of branches',
  leafPages: 'pages of leaves',
  overflowPages: 'pages of values',
  entries: 'entries',
};

function ascends(one: Buffer, other: Buffer, hasNumberKeys: boolean): boolean {
  if (!hasNumberKeys) return one.compare(other) < 0;
  return (
    one.length === PAGE_NUMBER_BYTES &&
    other.length === PAGE_NUMBER_BYTES &&
    one.readBigUInt64LE(0) < other.readBigUInt64LE(0)
  );
}

interface FreeRange {
  readonly first: number;
  readonly count: number;
}

/** A list is its length, and then pages; 0 is a gap, and -N says that the page behind it is the first of N. */
function readFreePages(value: Buffer, lastPage: number, into: FreeRange[]): void {
  const length = value.length < PAGE_NUMBER_BYTES ? -1 : Number(value.readBigUInt64LE(0));
  if (length < 0 || length > value.length / PAGE_NUMBER_BYTES - 1)
    throw new Damage('the list of free pages is damaged');
  let count = 1;
  for (let index = 1; index <= length; index += 1) {
    const number = Number(value.readBigInt64LE(index * PAGE_NUMBER_BYTES));
    if (number < 0) {
      count = -number;
      continue;
    }
    if (number === 0) continue;
    if (number < FIRST_DATA_PAGE || number + count - 1 > lastPage)
      throw new Damage(`page ${number} cannot be free`);
    into.push({ first: number, count });
    count = 1;
  }
}
