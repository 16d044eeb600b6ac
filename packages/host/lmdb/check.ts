/**
 * Whether an LMDB file may be given to the library: all of its structure is walked, page by page (page-reader.ts).
 *
 * Of a sound file all is true that is looked at here: each page is of one use, each tree has what it says that it has, its
 * keys ascend, and no page that is in use is listed as free (the library would write over it). What values say is not
 * looked at; whoever reads them knows their form. The cost is that of the pages that hold keys: a large value is one look
 * at its first page.
 */
import { statSync } from 'node:fs';
import { LmdbPageReader, noPages, readTree, type Tree, type TreeCounts } from './page-reader.ts';

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
 * No file, and an empty one, are sound: the library makes a new one of them. Throws what the file system says.
 */
export function lmdbDamage(file: string): string | undefined {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) return undefined;
  using reader = new LmdbPageReader(file);
  try {
    checkFile(reader);
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

function checkFile(reader: LmdbPageReader): void {
  const { meta } = reader;
  if (meta === undefined) throw new Damage('it is not a database of Sluice, or its beginning is damaged');
  if (!reader.hasBothMetas) throw new Damage('one of its two header pages is damaged');
  const { freeTree, mainTree, lastPage, mapBytes, pageBytes } = meta;
  if (mapBytes > MAX_MAP_BYTES || (lastPage + 1) * pageBytes > mapBytes)
    throw new Damage('its header says sizes that cannot be');
  if ((freeTree.flags & ~FILE_ALONE_FLAG) !== FREE_TREE_FLAGS) throw new Damage('its header is damaged');
  const databases: Tree[] = [];
  checkTree(reader, mainTree, 'the list of databases', (key, value, isTree) => {
    if (!isTree) throw new Damage(`the database ${key.toString('latin1')} is no database`);
    databases.push(readTree(value, 0));
  });
  for (const tree of databases)
    checkTree(reader, tree, 'a database', (_key, _value, isTree) => {
      if (isTree) throw new Damage('an entry is of another kind than it should be');
    });
  const free: FreeRange[] = [];
  checkTree(
    reader,
    { ...freeTree, flags: 0 },
    'the list of free pages',
    (_key, value) => readFreePages(value, lastPage, free),
    { hasNumberKeys: true },
  );
  if (reader.highestPage > lastPage) throw new Damage('pages behind its end are in use');
  // Only now: pages of the list itself may come behind those that it names. The last pages may never have been written.
  for (const { first, count } of free)
    for (let page = first; page < Math.min(first + count, reader.pageCount); page += 1)
      if (!reader.claim(page)) throw new Damage(`page ${page} is in use and listed as free`);
}

function checkTree(
  reader: LmdbPageReader,
  tree: Tree,
  name: string,
  visit: (key: Buffer, value: Buffer, isTree: boolean) => void,
  options: { readonly hasNumberKeys?: boolean } = {},
): void {
  if (tree.flags !== 0) throw new Damage(`the description of ${name} is damaged`);
  const hasNumberKeys = options.hasNumberKeys ?? false;
  let last: Buffer | undefined;
  const counts = noPages();
  const damaged = (reason: string): never => {
    throw new Damage(`${reason} (in ${name})`);
  };
  for (const { key, value, isTree } of reader.entries(tree, damaged, {
    skipsValues: !hasNumberKeys,
    counts,
  })) {
    if (last !== undefined && !ascends(last, key, hasNumberKeys)) damaged('keys do not ascend');
    last = key;
    visit(key, value, isTree);
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
  return one.length === 8 && other.length === 8 && one.readBigUInt64LE(0) < other.readBigUInt64LE(0);
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
