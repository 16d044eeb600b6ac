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
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '@sluice/protocol/error';
import { makePrivateDirectory, PRIVATE_FILE_MODE } from './private-directory.ts';

/** Name of the lock file. It stays when the lock is released: removing it would race with the next holder. */
export const LOCK_FILE_NAME = 'lock';

/** SQLITE_BUSY and SQLITE_LOCKED: the two codes that mean "held by someone else". */
const HELD_CODES: readonly number[] = [5, 6];

export interface DirectoryLock {
  /** Gives the directory free. Calling it again does nothing. */
  release(): void;
}

/**
 * Locks `directory`, which is created when missing, for this user alone, and closed to others when it is open.
 *
 * @param marks names beside the lock file's that tell a directory of ours from one of somebody else
 * @throws SluiceError `already_running` when another holder has it, `config_invalid` when it cannot be written
 */
export function lockDirectory(directory: string, marks: readonly string[] = []): DirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    makePrivateDirectory(directory, { marks: [LOCK_FILE_NAME, ...marks] });
    const file = path.join(directory, LOCK_FILE_NAME);
    makeLockFile(file);
    database = new DatabaseSync(file, { timeout: 0 });
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

/**
 * Whoever can open the file can hold it, so only this user can. A file that is there is not opened: closing it again
 * would release the lock that this process may hold on it.
 */
function makeLockFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', PRIVATE_FILE_MODE));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function lockFailure(directory: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause;
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
