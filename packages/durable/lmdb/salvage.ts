/**
 * Saves what can still be read of a damaged LMDB file: copies it, entry by entry, into a new one.
 *
 * Invariants: the damaged file is only read, and only as bytes (page-reader.ts); pages that nothing sound leads to are not
 * searched, since they may hold what was removed long ago; an entry that is copied is as it stood there, and its owner has
 * judged it (entry-judge.ts).
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { type Database, open, type RootDatabase } from 'lmdb';
import { commitErrorOf } from './commit-error.ts';
import type { EntryJudge, SeenEntry } from './entry-judge.ts';
import { isDiskFull, writeFailure } from './library-errors.ts';
import { databaseName, LmdbPageReader, readTree, type Tree, type TreeEntry } from './page-reader.ts';

/** Bytes of one transaction: bounds the memory that a copy takes. */
const TRANSACTION_BYTES: number = 4 * 1024 * 1024;
/** LMDB's longest key. */
const MAX_KEY_BYTES = 1978;

export interface SalvagedDatabase {
  /** Entries that were copied. */
  readonly found: number;
  /** Entries that it had; undefined when that cannot be read either. */
  readonly expected: number | undefined;
}

/** What was found. */
export interface Salvage {
  readonly entries: ReadonlyMap<string, SalvagedDatabase>;
  /** Places that could not be read; each may have held many entries. */
  readonly damagedPlaces: number;
}

/**
 * Copies what the judge keeps of the file `from` into the new file `to`, which is made anew.
 *
 * @param judge has seen nothing yet
 * @throws SluiceError `disk_full` when the copy does not fit, `state_newer`; what the file system says of `from`
 */
export async function salvageLmdb(from: string, to: string, judge: EntryJudge): Promise<Salvage> {
  rmSync(to, { force: true });
  rmSync(`${to}-lock`, { force: true });
  show(from, judge);
  using reader = new LmdbPageReader(from);
  const root = open({
    path: to,
    noSubdir: true,
    maxDbs: judge.names.length + 1,
    overlappingSync: false,
    eventTurnBatching: false,
  });
  try {
    const found = new Finding(reader);
    const trees = found.databases(judge.names);
    const entries = new Map<string, SalvagedDatabase>();
    for (const name of judge.names) {
      const tree = trees.get(name);
      entries.set(name, {
        found: await copyDatabase({ root, file: to }, name, found.entries(tree), judge),
        expected: found.expected(tree),
      });
    }
    return { entries, damagedPlaces: found.damagedPlaces };
  } finally {
    await root.close();
    rmSync(`${to}-lock`, { force: true });
  }
}

/** Shows the judge all that can be read of the file. */
function show(file: string, judge: EntryJudge): void {
  using reader = new LmdbPageReader(file);
  const found = new Finding(reader);
  const trees = found.databases(judge.names);
  for (const name of judge.names)
    for (const entry of found.entries(trees.get(name), !judge.readsValues(name))) judge.see(name, entry);
}

/** What can be found in a file that is damaged. */
class Finding {
  damagedPlaces = 0;
  readonly #reader: LmdbPageReader;

  constructor(reader: LmdbPageReader) {
    this.#reader = reader;
  }

  /** The trees of the databases that can still be found. */
  databases(names: readonly string[]): Map<string, Tree> {
    const trees = new Map<string, Tree>();
    const { meta } = this.#reader;
    if (meta === undefined) {
      this.damagedPlaces += 1;
      return trees;
    }
    for (const { key, value, isTree } of this.#entriesOf(meta.mainTree, false)) {
      const name = databaseName(key);
      if (isTree && names.includes(name)) trees.set(name, readTree(value, 0));
      else this.damagedPlaces += 1;
    }
    return trees;
  }

  *entries(tree: Tree | undefined, skipsValues = false): Generator<SeenEntry> {
    if (tree === undefined) return;
    for (const { isTree, ...entry } of this.#entriesOf(tree, skipsValues)) {
      if (isTree || entry.key.length === 0 || entry.key.length > MAX_KEY_BYTES) this.damagedPlaces += 1;
      else yield entry;
    }
  }

  /**
   * How many entries the tree says that it has. A number that its file has no room for was damaged; and beside a damaged
   * header page the other one may be of the transaction before.
   */
  expected(tree: Tree | undefined): number | undefined {
    const isKnown = tree !== undefined && this.#reader.hasBothMetas && tree.entries <= this.#reader.sizeBytes;
    return isKnown ? tree.entries : undefined;
  }

  *#entriesOf(tree: Tree, skipsValues: boolean): Generator<TreeEntry> {
    const problem = (): void => {
      this.damagedPlaces += 1;
    };
    yield* this.#reader.entries(tree, problem, { skipsValues });
  }
}

/** The new file. */
interface Copy {
  readonly root: RootDatabase;
  readonly file: string;
}

/** Copies what is kept of one database; returns how many entries it has. */
async function copyDatabase(
  copy: Copy,
  name: string,
  entries: Iterable<SeenEntry>,
  judge: EntryJudge,
): Promise<number> {
  const database: Database<Buffer, Buffer> = copy.root.openDB({
    name,
    keyEncoding: 'binary',
    encoding: 'binary',
  });
  let pending: SeenEntry[] = [];
  let pendingBytes = 0;
  const flush = async (): Promise<void> => {
    await write(copy, database, pending);
    pending = [];
    pendingBytes = 0;
  };
  for (const entry of entries) {
    if (!judge.keeps(name, entry)) continue;
    pending.push(entry);
    pendingBytes += entry.key.length + entry.value.length;
    if (pendingBytes >= TRANSACTION_BYTES) await flush();
  }
  await flush();
  // Of a damaged file two entries may have had one key.
  return database.getKeysCount();
}

async function write(
  { root, file }: Copy,
  database: Database<Buffer, Buffer>,
  entries: readonly SeenEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  let failure: unknown;
  try {
    await root.batch(() => {
      for (const { key, value } of entries) database.put(key, value).catch(reportedByBatch);
    });
    return;
  } catch (error) {
    failure = await commitErrorOf(error);
  }
  if (!isDiskFull(failure, path.dirname(file))) throw writeFailure('the copy of a damaged file', failure);
  throw new SluiceError('disk_full', 'what can be saved of a damaged file finds no room', {
    cause: failure,
    hint: 'Free as much space as the file has on the disk of the data directory.',
  });
}

function reportedByBatch(): void {
  // The transaction rejects with the same error.
}
