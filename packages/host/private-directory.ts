/**
 * Directories and files that only this user may enter and read, whatever the umask was when they were made: logs that wait
 * in a queue or a store are as secret as the logs themselves, and whoever can open a lock file can hold it.
 *
 * Invariant: when a function here returns, the directory has mode 0700 as the file system tells it; a directory that this
 * cannot be said of is refused, and one that others plainly use is left as it is.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { fileProblem } from './file-problem.ts';

export const PRIVATE_DIRECTORY_MODE = 0o700;
export const PRIVATE_FILE_MODE = 0o600;
/** What this process makes from now on, others cannot open: also the files of libraries that ask for a wider mode. */
const PRIVATE_UMASK = 0o077;

const PERMISSION_BITS = 0o777;
const OTHERS_BITS = 0o077;
/** Who has one of these may put something into a directory. */
const OTHERS_WRITE_BITS = 0o022;
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
  let named: Stats;
  try {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
    found = statSync(directory);
    named = lstatSync(directory);
  } catch (error) {
    throw fileProblem('the data directory', directory, error);
  }
  if (!found.isDirectory()) throw unusable(directory, 'it is no directory');
  const user = process.getuid?.();
  // Without users there are no modes either.
  if (user === undefined) return;
  // Also for root: its owner could put a link in the place of each file that is written here.
  if (found.uid !== user) throw unusable(directory, `it belongs to another user (${found.uid})`);
  if (named.isSymbolicLink() && named.uid !== user && named.uid !== 0)
    throw unusable(directory, `it is a link of another user (${named.uid})`);
  if ((found.mode & PERMISSION_BITS) !== PRIVATE_DIRECTORY_MODE) {
    refuseShared(directory, found, options.marks);
    const wasWritable = (found.mode & OTHERS_WRITE_BITS) !== 0;
    if (wasWritable) refusePlanted(directory, user);
    close(directory);
    if (wasWritable) refusePlantedMeanwhile(directory, user, found.mode & PERMISSION_BITS);
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

/**
 * Opens a file for writing, empty, for this user alone; a link in its place is refused (ELOOP), not followed.
 *
 * @returns its descriptor. Throws what the file system says.
 */
export function openPrivateFile(file: string): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  return openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, PRIVATE_FILE_MODE);
}

/** Writes the text as the file's whole content, as {@link openPrivateFile} opens it; not durable. Throws what it throws. */
export function writePrivateFile(file: string, text: string): void {
  const descriptor = openPrivateFile(file);
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
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

/** What others could have put into a directory that was open to them: a link is followed, and what they own they change. */
function refusePlanted(directory: string, user: number): void {
  for (const name of readdirSync(directory)) {
    if (IGNORED_ENTRIES.has(name)) continue;
    const entry = lstatSync(path.join(directory, name), { throwIfNoEntry: false });
    if (entry === undefined) continue;
    const isForeign = entry.uid !== user;
    const isLink = entry.isSymbolicLink() || (entry.isFile() && entry.nlink > 1);
    if (!isForeign && !isLink) continue;
    const what = isForeign ? `belongs to another user (${entry.uid})` : 'is a link';
    throw new SluiceError(
      'config_invalid',
      `the data directory ${directory} was open to other users, and ${name} in it ${what}`,
      { hint: `Remove it if it is not yours, and close the directory to others: chmod 700 ${directory}` },
    );
  }
}

/** The same once nobody else can write; who starts the program again is to be told again, so the directory stays open. */
function refusePlantedMeanwhile(directory: string, user: number, mode: number): void {
  try {
    refusePlanted(directory, user);
  } catch (error) {
    chmodSync(directory, mode);
    throw error;
  }
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
