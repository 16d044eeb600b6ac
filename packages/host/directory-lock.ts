/**
 * Keeps a second process away from a data directory.
 *
 * LMDB and the engine let (or nearly let) several processes write to the same files, so two agents on one directory
 * would send every line twice. Node has no `flock`, a pid file survives a crash, and a listening socket is bound to a
 * network namespace that containers do not share. SQLite, which is part of Node, locks a file the way that is needed:
 * an exclusive transaction on an empty database is a lock of the operating system, which the kernel releases when the
 * holder ends, however it ends. So there is nothing stale to clean up after `kill -9`, and no race between two that
 * start at once.
 *
 * Invariants: at most one DirectoryLock per directory is held, in this process or any other on the same kernel; nothing
 * is ever written to the lock file.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '@sluice/protocol/error';

/** Name of the lock file. It stays when the lock is released: removing it would race with the next holder. */
export const LOCK_FILE_NAME = 'lock';

/** SQLITE_BUSY and SQLITE_LOCKED: the two codes that mean "held by someone else". */
const HELD_CODES: readonly number[] = [5, 6];

export interface DirectoryLock {
  /** Gives the directory free. Calling it again does nothing. */
  release(): void;
}

/**
 * Locks `directory`, which is created when missing, for this user alone.
 *
 * @throws SluiceError `already_running` when another holder has it, `config_invalid` when it cannot be written
 */
export function lockDirectory(directory: string): DirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(path.join(directory, LOCK_FILE_NAME), { timeout: 0 });
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    throw lockFailure(directory, error);
  }
  const held = database;
  return {
    release(): void {
      if (held.isOpen) held.close();
    },
  };
}

function lockFailure(directory: string, cause: unknown): SluiceError {
  if (isHeld(cause)) {
    return new SluiceError('already_running', `another process uses the data directory ${directory}`, {
      cause,
      hint: 'Stop the other process, or give this one a data directory of its own.',
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError('config_invalid', `the data directory ${directory} cannot be used: ${reason}`, {
    cause,
    hint: 'Choose a data directory on a local disk that this user can write to.',
  });
}

function isHeld(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && HELD_CODES.includes(error.errcode & 0xff);
}
