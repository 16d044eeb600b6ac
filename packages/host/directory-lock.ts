/**
 * Keeps a second process away from a data directory.
 *
 * The lock is an exclusive transaction on an empty SQLite file, which is a lock of the operating system on that file:
 * the kernel releases it when the holder ends, however it ends. So there is nothing stale to clean up after `kill -9`,
 * no process id that could be taken by another program, and no race between two that start at once.
 *
 * Invariant: at most one DirectoryLock per directory is held, in this process or any other on the same kernel.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
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
 * Locks `directory`, which is created when missing.
 * Throws SluiceError `already_running` when another holder has it, `internal` when the file cannot be used.
 */
export function lockDirectory(directory: string): DirectoryLock {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, LOCK_FILE_NAME);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if (isHeld(error)) {
      throw new SluiceError('already_running', `another process uses the data directory ${directory}`, {
        cause: error,
        hint: 'Stop the other process, or give this one a directory of its own.',
      });
    }
    throw new SluiceError('internal', `cannot lock the data directory ${directory}: ${messageOf(error)}`, {
      cause: error,
      hint: `Check that ${path} is a file that this user may write, on a file system with locks.`,
    });
  }
  const held = database;
  let released = false;
  return {
    release(): void {
      if (released) return;
      released = true;
      held.close();
    },
  };
}

function isHeld(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && HELD_CODES.includes(error.errcode & 0xff);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
