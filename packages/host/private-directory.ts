/**
 * Directories and files that only this user may enter and read, whatever the umask was when they were made: logs that wait
 * in a queue or a store are as secret as the logs themselves, and whoever can open a lock file can hold it.
 *
 * Invariant: when a function here returns, the directory has mode 0700 as the file system tells it; a directory that this
 * cannot be said of is refused, and one that others plainly use is left as it is.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/protocol/error';
import { fileProblem } from './file-problem.ts';

export const PRIVATE_DIRECTORY_MODE = 0o700;
export const PRIVATE_FILE_MODE = 0o600;
/** What this process makes from now on, others cannot open: also the files of libraries that ask for a wider mode. */
export const PRIVATE_UMASK = 0o077;

const PERMISSION_BITS = 0o777;
const OTHERS_BITS = 0o077;
const STICKY_BIT = 0o1000;
/** A file system of its own has this in its root, whoever mounts it. */
const IGNORED_ENTRIES: ReadonlySet<string> = new Set(['lost+found']);

export interface PrivateDirectoryOptions {
  /**
   * For a directory that a user named: names of which one lies in each directory that was used before. A directory that
   * has other things in it and is open to others is then refused, not closed to them: it may be their home, or /var/lib.
   */
  readonly marks?: readonly string[];
}

/**
 * Makes the directory with its parents, or closes one that is there to others, with the files that lie directly in it.
 *
 * @throws SluiceError `config_invalid` when it cannot be made, belongs to another user, is shared, or stays open
 */
export function makePrivateDirectory(directory: string, options: PrivateDirectoryOptions = {}): void {
  let found: Stats;
  try {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
    found = statSync(directory);
  } catch (error) {
    throw fileProblem('the data directory', directory, error);
  }
  if (!found.isDirectory()) throw unusable(directory, 'it is no directory');
  const user = process.getuid?.();
  // Without users there are no modes either.
  if (user === undefined) return;
  if (found.uid !== user && user !== 0)
    throw unusable(directory, `it belongs to another user (${found.uid})`);
  if ((found.mode & PERMISSION_BITS) !== PRIVATE_DIRECTORY_MODE) {
    refuseShared(directory, found, options.marks);
    close(directory);
  }
  makeFilesPrivate(directory);
}

/** Gives the regular files that lie directly in the directory the mode 0600. @throws SluiceError `config_invalid` */
export function makeFilesPrivate(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(directory, entry.name);
      const found = lstatSync(file, { throwIfNoEntry: false });
      if (found?.isFile() === true && (found.mode & OTHERS_BITS) !== 0) chmodSync(file, PRIVATE_FILE_MODE);
    }
  } catch (error) {
    throw fileProblem('the data directory', directory, error);
  }
}

/** From now on this process makes files that others cannot open, also where a library asks for a wider mode. */
export function usePrivateUmask(): void {
  process.umask(PRIVATE_UMASK);
}

function refuseShared(directory: string, found: Stats, marks: readonly string[] | undefined): void {
  const entries = readdirSync(directory).filter((name) => !IGNORED_ENTRIES.has(name));
  // The root of an empty file system may be anything: it is ours from now on.
  if (entries.length === 0) return;
  if ((found.mode & STICKY_BIT) !== 0 || path.dirname(path.resolve(directory)) === path.resolve(directory))
    throw unusable(directory, 'it is a directory that users share');
  if (marks === undefined || (found.mode & OTHERS_BITS) === 0) return;
  if (entries.some((name) => marks.includes(name))) return;
  throw new SluiceError(
    'config_invalid',
    `the data directory ${directory} is open to other users and has files that are not ours (${entries[0]}, for one)`,
    { hint: `Choose another directory, or close this one to others: chmod 700 ${directory}` },
  );
}

function close(directory: string): void {
  try {
    chmodSync(directory, PRIVATE_DIRECTORY_MODE);
  } catch (error) {
    throw fileProblem('the data directory', directory, error);
  }
  const mode = statSync(directory).mode & PERMISSION_BITS;
  if (mode !== PRIVATE_DIRECTORY_MODE)
    throw unusable(
      directory,
      `its file system keeps no modes: it stays open to others (0${mode.toString(8)})`,
    );
}

function unusable(directory: string, reason: string): SluiceError {
  return new SluiceError('config_invalid', `the data directory ${directory} cannot be used: ${reason}`, {
    hint: 'Choose a data directory on a local disk that belongs to this user alone.',
  });
}
