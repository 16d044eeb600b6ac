/**
 * An open LMDB file: how it is opened, how its databases are, and the one way to write to it.
 *
 * Invariants: a commit resolves only after the transaction is on disk (LMDB syncs in the commit: overlapping sync is off; it
 * reports a failed sync as a failed commit, instead of promising it for later); one that fails has changed nothing; once the
 * library calls the file damaged, nothing is done with it any more (damage-latch.ts). Writes outside of a commit do not happen.
 */
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { type Database, type Key, open, type RootDatabase } from 'lmdb';
import { corruptState, type StateName } from '../corrupt-state.ts';
import { CheckedDatabase } from './checked-database.ts';
import { commitErrorOf } from './commit-error.ts';
import { DamageLatch } from './damage-latch.ts';
import { diskFull, isDiskFull, writeFailure } from './library-errors.ts';

export interface EnvironmentOptions {
  readonly file: string;
  /** For the reader: "the queue". */
  readonly what: string;
  /** For the reader: who has it open, and saves what can be saved at its start. */
  readonly program: string;
  readonly maxDatabases: number;
  /** Address space, not disk; left out, the library takes more as the file grows. */
  readonly mapBytes?: number;
}

/** How a database was written before formats had checksums. */
export type OlderEncoding = 'json' | 'msgpack';

/** A database as a transaction sees it. */
interface Writable<V, K> {
  put(key: K, value: V): Promise<boolean>;
  remove(key: K): Promise<boolean>;
}

/** What a transaction may do. Both are void: the transaction answers for all of its writes. */
export interface Transaction {
  put<V, K extends Key>(database: Writable<V, K>, key: K, value: V): void;
  remove<K extends Key>(database: Pick<Writable<unknown, K>, 'remove'>, key: K): void;
}

const transaction: Transaction = {
  put(database, key, value): void {
    database.put(key, value).catch(reportedByCommit);
  },
  remove(database, key): void {
    database.remove(key).catch(reportedByCommit);
  },
};

function reportedByCommit(): void {
  // Without this, a failed commit would be an unhandled rejection for each write in it.
}

export class DurableEnvironment {
  readonly file: string;
  readonly name: StateName;
  /** Each read while the file is in use goes through it, and each write. */
  readonly latch: DamageLatch;
  /** Named facts: the format, and what its owner writes of itself. */
  readonly meta: CheckedDatabase<string>;
  readonly #what: string;
  readonly #root: RootDatabase;

  /** Opens the file, or creates it. Throws what LMDB throws. */
  constructor({ file, what, program, maxDatabases, mapBytes }: EnvironmentOptions) {
    this.file = file;
    this.#what = what;
    this.name = { what: `${what} ${file}`, program };
    this.latch = new DamageLatch((reason, cause) => corruptState(this.name, reason, cause));
    this.#root = open({
      path: file,
      noSubdir: true,
      // The promise of a commit is kept only when the commit itself syncs.
      overlappingSync: false,
      // Transactions are explicit here; the implicit ones have promises of their own that nobody could handle.
      eventTurnBatching: false,
      maxDbs: maxDatabases,
      ...defined({ mapSize: mapBytes }),
    });
    this.meta = this.values('meta');
  }

  /** A database of small values with checksums. */
  values<K extends Key>(name: string): CheckedDatabase<K> {
    return new CheckedDatabase(this.#root, name, { corrupt: this.#corrupt });
  }

  /** The same, of keys that are bytes. */
  valuesByBytes(name: string): CheckedDatabase<Buffer> {
    return new CheckedDatabase(this.#root, name, { corrupt: this.#corrupt, hasByteKeys: true });
  }

  /** A database of bytes that its owner checks. */
  bytes<K extends Key>(name: string): Database<Buffer, K> {
    return this.#root.openDB({ name, encoding: 'binary' });
  }

  /** The same, of keys that are bytes. */
  bytesByBytes(name: string): Database<Buffer, Buffer> {
    return this.#root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' });
  }

  /** A database as an older format has it. */
  older<K extends Key>(name: string, encoding: OlderEncoding): Database<unknown, K> {
    return this.#root.openDB({ name, encoding });
  }

  /** The same, of keys that are bytes. */
  olderByBytes(name: string, encoding: OlderEncoding): Database<unknown, Buffer> {
    return this.#root.openDB({ name, keyEncoding: 'binary', encoding });
  }

  /**
   * Runs `action` as one transaction. Resolves when it is on disk.
   *
   * @throws SluiceError `disk_full`, `state_corrupt`, or `internal` with the cause; nothing of the transaction is kept then
   */
  async commit(action: (write: Transaction) => void): Promise<void> {
    this.latch.check();
    let failure: unknown;
    try {
      await this.#root.batch(() => action(transaction));
      return;
    } catch (error) {
      failure = await commitErrorOf(error);
    }
    const directory = path.dirname(this.file);
    if (isDiskFull(failure, directory)) throw diskFull(this.#what, directory, failure);
    throw this.latch.note(failure) ?? writeFailure(this.name.what, failure);
  }

  /**
   * The same for an action that may run twice: pages that the last transaction freed can be used only by the one after the next,
   * so on a full disk an empty step is put between before giving up.
   */
  async commitAgain(action: (write: Transaction) => void): Promise<void> {
    try {
      await this.commit(action);
    } catch (error) {
      if (!SluiceError.is(error, 'disk_full')) throw error;
      try {
        await this.commit((write) => write.put(this.meta, 'step', Date.now()));
      } catch {
        // Not even that fits; what the action itself met says more.
        throw error;
      }
      await this.commit(action);
    }
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  readonly #corrupt = (what: string): Error => corruptState(this.name, `${what} is damaged`);
}
