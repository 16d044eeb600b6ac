/**
 * What the system says of a file that cannot be used, in words that help: what was wrong, with which path, and what to do.
 */
import { closeSync, openSync, type Stats, statSync } from 'node:fs';
import { messageOf, SluiceError } from '@sluice/base/error';

/** Codes of the system, and what they mean to whoever starts a program on a data directory. */
const REASONS: ReadonlyMap<string, { readonly reason: string; readonly hint: (path: string) => string }> =
  new Map([
    ['EACCES', { reason: 'this user may not use it', hint: giveRights }],
    ['EPERM', { reason: 'this user may not use it', hint: giveRights }],
    [
      'EROFS',
      {
        reason: 'its file system is read-only',
        hint: () =>
          'Mount it writable (the kernel log says whether an error of the disk made it so), or choose another data directory.',
      },
    ],
    [
      'EISDIR',
      { reason: 'a directory is where a file should be', hint: (path) => `Move the directory ${path} away.` },
    ],
    [
      'ENOTDIR',
      {
        reason: 'a file is where a directory should be',
        hint: () => 'Move the file away, or choose another data directory.',
      },
    ],
    // Files that are written anew follow no link.
    [
      'ELOOP',
      {
        reason: 'a link is where a file should be, or links lead in a circle',
        hint: (path) => `Remove the link ${path}, or choose another data directory.`,
      },
    ],
    ['ENAMETOOLONG', { reason: 'its name is too long', hint: () => 'Choose a shorter path.' }],
    ['EIO', { reason: 'its disk fails', hint: () => 'Look at the kernel log, and replace the disk.' }],
    [
      'EMFILE',
      { reason: 'too many files are open', hint: () => 'Allow this process more open files (ulimit -n).' },
    ],
    ['ENFILE', { reason: 'too many files are open', hint: () => 'Allow the system more open files.' }],
  ]);
const FULL_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
/** SQLite's primary result code for a full disk, https://sqlite.org/rescode.html#full */
const SQLITE_FULL = 13;

/**
 * @param what for the reader, e.g. "the queue"
 * @param error what a function of `node:fs` threw
 * @returns `disk_full` or `config_invalid`, with path, reason, and what to do; a SluiceError passes through
 */
export function fileProblem(what: string, path: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const code = codeOf(error) ?? '';
  // What the system names may be a part of the path.
  const named =
    error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : path;
  if (FULL_CODES.has(code) || saysSqliteFull(error)) {
    return new SluiceError('disk_full', `${what} ${path} finds no room: the disk is full`, {
      cause: error,
      hint: 'Free space on that disk.',
    });
  }
  const known = REASONS.get(code);
  const reason = known?.reason ?? messageOf(error);
  const place = named === path || known === undefined ? '' : ` (${named})`;
  return new SluiceError('config_invalid', `${what} ${path} cannot be used: ${reason}${place}`, {
    cause: error,
    hint: known?.hint(named) ?? 'Choose a data directory on a local disk that belongs to this user alone.',
  });
}

function saysSqliteFull(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  return (error.errcode & 0xff) === SQLITE_FULL;
}

/** @returns the code that an error of the system has, e.g. `EACCES` */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Looks whether a file can be read and written; one that is not there can be.
 *
 * @returns its size, or undefined when it is not there
 * @throws SluiceError `config_invalid`
 */
export function checkUsableFile(what: string, path: string): number | undefined {
  let found: Stats | undefined;
  try {
    found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    if (found.isFile()) closeSync(openSync(path, 'r+'));
  } catch (error) {
    throw fileProblem(what, path, error);
  }
  if (found.isFile()) return found.size;
  throw new SluiceError(
    'config_invalid',
    `${what} ${path} cannot be used: it is ${found.isDirectory() ? 'a directory' : 'no file'}`,
    {
      hint: `Move ${path} away.`,
    },
  );
}

function giveRights(path: string): string {
  const user = process.getuid?.();
  const owner = ownerOf(path);
  const chmod = `chmod u+rwX ${path}`;
  if (user === undefined || owner === undefined || owner === user)
    return `Give this user the right: ${chmod}`;
  return `It belongs to user ${owner}; start this program as that user, or give it away: chown -R ${user} ${path}`;
}

function ownerOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.uid;
  } catch {
    // A parent may not be entered either: then nobody knows.
    return undefined;
  }
}
