/**
 * Saves what can still be read of a damaged LMDB file: copies it, entry by entry, into a new one.
 *
 * Invariants: the damaged file is only read, and only as bytes (page-reader.ts); pages that nothing sound leads to are not
 * searched, since they may hold what was removed long ago; an entry that is copied is as it stood there, and whether it
 * says the truth is for its owner to check (a checksum, a schema).
 */
import { rmSync } from 'node:fs';
import { SluiceError } from '@sluice/protocol/error';
import { type Database, open, type RootDatabase } from 'lmdb';
import { LmdbPageReader, readTree, type Tree } from './page-reader.ts';

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
 * Copies the named databases of the file `from` into the new file `to`, which is made anew.
 *
 * @throws SluiceError `disk_full` when the copy does not fit; what the file system says of `from`
 */
export async function salvageLmdb(from: string, to: string, names: readonly string[]): Promise<Salvage> {
  rmSync(to, { force: true });
  rmSync(`${to}-lock`, { force: true });
  using reader = new LmdbPageReader(from);
  const root = open({
    path: to,
    noSubdir: true,
    maxDbs: names.length + 1,
    overlappingSync: false,
    eventTurnBatching: false,
  });
  try {
    const copy = new Copy(reader, root);
    const trees = copy.databases(names);
    const entries = new Map<string, SalvagedDatabase>();
    for (const name of names) {
      const tree = trees.get(name);
      entries.set(name, { found: await copy.database(name, tree), expected: copy.expected(tree) });
    }
    return { entries, damagedPlaces: copy.damagedPlaces };
  } finally {
    await root.close();
    rmSync(`${to}-lock`, { force: true });
  }
}

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

class Copy {
  damagedPlaces = 0;
  readonly #reader: LmdbPageReader;
  readonly #root: RootDatabase;

  constructor(reader: LmdbPageReader, root: RootDatabase) {
    this.#reader = reader;
    this.#root = root;
  }

  /** The trees of the databases that can still be found. */
  databases(names: readonly string[]): Map<string, Tree> {
    const trees = new Map<string, Tree>();
    const { meta } = this.#reader;
    if (meta === undefined) {
      this.damagedPlaces += 1;
      return trees;
    }
    for (const { key, value, isTree } of this.#entriesOf(meta.mainTree)) {
      // Names end in a zero byte.
      const name = key.toString('latin1').replace(/\0$/, '');
      if (isTree && names.includes(name)) trees.set(name, readTree(value, 0));
      else this.damagedPlaces += 1;
    }
    return trees;
  }

  /** Copies one database; returns how many entries it has. */
  async database(name: string, tree: Tree | undefined): Promise<number> {
    const database: Database<Buffer, Buffer> = this.#root.openDB({
      name,
      keyEncoding: 'binary',
      encoding: 'binary',
    });
    let copied = 0;
    let pending: Entry[] = [];
    let pendingBytes = 0;
    const flush = async (): Promise<void> => {
      await write(this.#root, database, pending);
      copied += pending.length;
      pending = [];
      pendingBytes = 0;
    };
    for (const entry of tree === undefined ? [] : this.#entriesOf(tree)) {
      if (entry.isTree || entry.key.length === 0 || entry.key.length > MAX_KEY_BYTES) {
        this.damagedPlaces += 1;
        continue;
      }
      pending.push(entry);
      pendingBytes += entry.key.length + entry.value.length;
      if (pendingBytes >= TRANSACTION_BYTES) await flush();
    }
    await flush();
    return copied;
  }

  /**
   * How many entries the tree says that it has. A number that its file has no room for was damaged; and beside a damaged
   * header page the other one may be of the transaction before.
   */
  expected(tree: Tree | undefined): number | undefined {
    const isKnown = tree !== undefined && this.#reader.hasBothMetas && tree.entries <= this.#reader.sizeBytes;
    return isKnown ? tree.entries : undefined;
  }

  *#entriesOf(tree: Tree): Generator<Entry & { readonly isTree: boolean }> {
    yield* this.#reader.entries(tree, () => {
      this.damagedPlaces += 1;
    });
  }
}

async function write(
  root: RootDatabase,
  database: Database<Buffer, Buffer>,
  entries: readonly Entry[],
): Promise<void> {
  if (entries.length === 0) return;
  try {
    await root.batch(() => {
      for (const { key, value } of entries) database.put(key, value).catch(reportedByBatch);
    });
  } catch (error) {
    throw new SluiceError(
      'disk_full',
      `what can be saved of a damaged file finds no room: ${String(error)}`,
      {
        cause: error,
        hint: 'Free as much space as the file has on the disk of the data directory.',
      },
    );
  }
}

function reportedByBatch(): void {
  // The transaction rejects with the same error.
}
