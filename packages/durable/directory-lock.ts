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
 * is ever written to the lock file. The file beside it only says who had the lock last, for the words of an error.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '@sluice/base/error';
import { fileProblem } from '@sluice/host/file-problem';
import { makePrivateDirectory, PRIVATE_FILE_MODE, writePrivateFile } from '@sluice/host/private-directory';

/** Name of the lock file. It stays when the lock is released: removing it would race with the next holder. */
export const LOCK_FILE_NAME = 'lock';

/** Holds the process id of who has, or last had, the lock. */
const HOLDER_FILE_NAME = 'lock.pid';

/** SQLITE_BUSY and SQLITE_LOCKED: the two codes that mean "held by someone else". */
const HELD_CODES: readonly number[] = [5, 6];

/** Kept from the collector, which would close, and so release, what a caller does not keep. */
const heldDatabases = new Set<DatabaseSync>();

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
    noteHolder(directory);
  } catch (error) {
    database?.close();
    throw lockFailure(directory, error);
  }
  const held = database;
  heldDatabases.add(held);
  return {
    release(): void {
      heldDatabases.delete(held);
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

/** A full disk keeps nobody out: then only the number is missing in the words of an error. */
function noteHolder(directory: string): void {
  try {
    writePrivateFile(path.join(directory, HOLDER_FILE_NAME), `${process.pid}\n`);
  } catch (error) {
    const problem = fileProblem('the lock of', directory, error);
    if (problem.code !== 'disk_full') throw problem;
  }
}

/** Undefined when it cannot be read, or names nobody who lives (in this process's sight). */
function holderOf(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(path.join(directory, HOLDER_FILE_NAME), 'utf8'));
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    process.kill(pid, 0);
    return pid;
  } catch {
    // The number only helps: without it the error says the same.
    return undefined;
  }
}

function lockFailure(directory: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause;
  if (isHeld(cause)) {
    const holder = holderOf(directory);
    const who = holder === undefined ? 'another process' : `the process ${holder}`;
    return new SluiceError('already_running', `${who} uses the data directory ${directory}`, {
      cause,
      hint: `Stop ${holder === undefined ? 'the other process' : 'it'}, or give this one a data directory of its own.`,
    });
  }
  return fileProblem('the data directory', directory, cause);
}

function isHeld(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && HELD_CODES.includes(error.errcode & 0xff);
}
