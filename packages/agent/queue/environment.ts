/**
 * The LMDB environment under the durable queue: its databases, its options, and the one way to write to it.
 *
 * Invariants: a write resolves only after the transaction is on disk (LMDB syncs in the commit: overlapping sync is
 * off); a write that fails has changed nothing; running out of disk is told apart from everything else.
 */
import { closeSync, fsyncSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { CheckedDatabase } from '@sluice/durable/lmdb/checked-database';
import { commitErrorOf } from '@sluice/durable/lmdb/commit-error';
import { DamageLatch } from '@sluice/durable/lmdb/damage-latch';
import { openPrivateFile } from '@sluice/host/private-directory';
import { type Database, open, type RootDatabase } from 'lmdb';
import { corruptState } from './corrupt-state.ts';

/**
 * Kept on disk as ballast. Removing blocks needs a few pages too, and with a disk that is full to the last byte the
 * queue could never shrink again; the ballast is given back to the disk then.
 */
const BALLAST_BYTES: number = 1024 * 1024;
export const BALLAST_FILE_NAME = 'ballast';
/** With less than this free, a failed write is blamed on the disk: LMDB says "input/output error" for a short write. */
const LOW_DISK_BYTES = 16 * 1024 * 1024;
/** LMDB's own "the map is full" and the system's "no space", "quota exceeded", "file too large". */
const FULL_CODES: ReadonlySet<number> = new Set([-30_792, 28, 122, 27]);
const EIO = 5;
/** The seven below, and room for later versions. */
const MAX_DATABASES = 16;

/** All of them, by name. */
export const DATABASE_NAMES: readonly string[] = [
  'meta',
  'payloads',
  'headers',
  'in-doubt',
  'checkpoints',
  'aside-headers',
  'aside-payloads',
];

export interface Environment {
  readonly file: string;
  /** Each read of a running agent goes through it, and each write. */
  readonly latch: DamageLatch;
  readonly root: RootDatabase<unknown, string>;
  /** Named facts: format, identity, sequence mark. */
  readonly meta: CheckedDatabase<string>;
  /** Compressed blocks by sequence. */
  readonly payloads: Database<Buffer, number>;
  /** Block headers by sequence. */
  readonly headers: CheckedDatabase<number>;
  /** The server at which a block may already be durable, by sequence. */
  readonly inDoubt: CheckedDatabase<number>;
  /** Read positions by source key. */
  readonly checkpoints: CheckedDatabase<string>;
  /** Header and reason of blocks that no server takes, by sequence. */
  readonly asideHeaders: CheckedDatabase<number>;
  readonly asidePayloads: Database<Buffer, number>;
}

/** Opens (or creates) the environment in `file`. Throws what LMDB throws. */
export function openEnvironment(file: string): Environment {
  const root: RootDatabase<unknown, string> = open({
    path: file,
    noSubdir: true,
    maxDbs: MAX_DATABASES,
    // The promise of a write is kept only when the commit itself syncs.
    overlappingSync: false,
    // A promise that nobody holds would reject on a full disk and end the process.
    eventTurnBatching: false,
    encoding: 'json',
  });
  const checked = { corrupt: (what: string) => corruptState(file, `${what} is damaged`) };
  return {
    file,
    latch: new DamageLatch((reason, cause) => corruptState(file, reason, cause)),
    root,
    meta: new CheckedDatabase(root, 'meta', checked),
    payloads: root.openDB({ name: 'payloads', encoding: 'binary' }),
    headers: new CheckedDatabase(root, 'headers', checked),
    inDoubt: new CheckedDatabase(root, 'in-doubt', checked),
    checkpoints: new CheckedDatabase(root, 'checkpoints', checked),
    asideHeaders: new CheckedDatabase(root, 'aside-headers', checked),
    asidePayloads: root.openDB({ name: 'aside-payloads', encoding: 'binary' }),
  };
}

/** A database as a transaction sees it. */
interface Writable<V, K> {
  put(key: K, value: V): Promise<boolean>;
  remove(key: K): Promise<boolean>;
}

/** What a transaction may do. Both are void: the transaction answers for all of its writes. */
export interface Transaction {
  put<V, K extends string | number>(database: Writable<V, K>, key: K, value: V): void;
  remove<K extends string | number>(database: Pick<Writable<unknown, K>, 'remove'>, key: K): void;
}

const transaction: Transaction = {
  put(database, key, value): void {
    void database.put(key, value);
  },
  remove(database, key): void {
    void database.remove(key);
  },
};

/**
 * Runs `action` as one transaction. It may run twice: pages that the last transaction freed can be used only by the one
 * after the next, so on a full disk an empty step is put between before giving up.
 *
 * @returns when the transaction is on disk.
 * @throws SluiceError `disk_full`, `state_corrupt`, or `internal` with the cause; nothing of the transaction is kept then.
 */
export async function commit(environment: Environment, action: (write: Transaction) => void): Promise<void> {
  const failure = await attempt(environment, action);
  if (failure === undefined) return;
  if (failure.code !== 'disk_full') throw failure;
  const stepFailure = await attempt(environment, (write) => write.put(environment.meta, 'step', Date.now()));
  if (stepFailure !== undefined) throw failure;
  const secondFailure = await attempt(environment, action);
  if (secondFailure !== undefined) throw secondFailure;
}

async function attempt(
  environment: Environment,
  action: (write: Transaction) => void,
): Promise<SluiceError | undefined> {
  let failure: unknown;
  const { damage } = environment.latch;
  if (damage !== undefined) return damage.error;
  try {
    await environment.root.batch(() => action(transaction));
    return undefined;
  } catch (error) {
    failure = await commitErrorOf(error);
  }
  const directory = path.dirname(environment.file);
  if (isDiskFull(failure, directory)) {
    return new SluiceError('disk_full', `the disk under ${directory} is full`, {
      cause: failure,
      hint: 'Free space on that disk; nothing is lost, the write is tried again.',
    });
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  const damaged = environment.latch.note(failure);
  if (damaged !== undefined) return damaged;
  return new SluiceError('internal', `the queue ${environment.file} could not be written: ${reason}`, {
    cause: failure,
    hint: 'Check the disk and the kernel log; the write is tried again.',
  });
}

/** Makes sure that the ballast is there; a disk too full for it is left alone. */
export function ensureBallast(environment: Environment): void {
  const file = ballastFile(environment);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= BALLAST_BYTES) return;
  try {
    const descriptor = openPrivateFile(file);
    try {
      // Real bytes: a sparse file would hold no space.
      writeSync(descriptor, Buffer.alloc(BALLAST_BYTES, 0xa5));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    rmSync(file, { force: true });
  }
}

/** Gives the ballast's space back to the disk. */
export function dropBallast(environment: Environment): void {
  rmSync(ballastFile(environment), { force: true });
}

function ballastFile(environment: Environment): string {
  return path.join(path.dirname(environment.file), BALLAST_FILE_NAME);
}

function isDiskFull(error: unknown, directory: string): boolean {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return false;
  if (FULL_CODES.has(error.code)) return true;
  if (error.code !== EIO) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < LOW_DISK_BYTES;
}
