/**
 * One process per data directory.
 *
 * LMDB lets several processes write to the same environment, so two agents on one directory would both read the same
 * files and send every line twice. Node has no `flock`, a pid file survives a crash, and a listening socket is bound to
 * a network namespace that containers do not share. SQLite, which is part of Node, locks a file the way that we need:
 * with a lock of the operating system that belongs to the process. So an open exclusive transaction on an empty
 * database is the lock.
 *
 * Invariants: the lock is gone when the process is gone, however it ended; nothing is ever written to the lock file.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '@sluice/protocol/error';

const LOCK_FILE_NAME = 'lock';
/** SQLITE_BUSY: another connection holds the file. */
const SQLITE_BUSY = 5;

export interface DirectoryLock {
  /** Lets another process have the directory. Safe to call twice. */
  release(): void;
}

/**
 * Takes the directory for this process, creating it when it is missing.
 *
 * @throws SluiceError `already_running` when another process (or another part of this one) holds it,
 *   `config_invalid` when the directory cannot be written.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const file = path.join(directory, LOCK_FILE_NAME);
  let database: DatabaseSync;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(file);
  } catch (error) {
    throw notWritable(directory, error);
  }
  try {
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new SluiceError('already_running', `another process uses the data directory ${directory}`, {
        cause: error,
        hint: 'Stop the other process, or give this one a data directory of its own.',
      });
    }
    throw notWritable(directory, error);
  }
  return {
    release(): void {
      if (database.isOpen) database.close();
    },
  };
}

function notWritable(directory: string, cause: unknown): SluiceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError('config_invalid', `the data directory ${directory} cannot be used: ${reason}`, {
    cause,
    hint: 'Choose a data directory on a local disk that this user can write to.',
  });
}
