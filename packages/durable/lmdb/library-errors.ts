/** What LMDB says when it cannot read or write its file, in our words. */
import { statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { messageOf, SluiceError } from '@sluice/base/error';

/**
 * MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_PANIC, MDB_VERSION_MISMATCH, MDB_INVALID, MDB_TXN_FULL, MDB_CURSOR_FULL,
 * MDB_PAGE_FULL, MDB_INCOMPATIBLE, MDB_BAD_TXN, MDB_PROBLEM, MDB_BAD_CHECKSUM (lmdb.h). That pages and cursors overflow is
 * what a tree with a damaged depth looks like: none of our transactions comes near those limits.
 */
const DAMAGE_CODES: ReadonlySet<number> = new Set([
  -30_797, -30_796, -30_795, -30_794, -30_793, -30_788, -30_787, -30_786, -30_784, -30_782, -30_779, -30_778,
]);
/** MDB_MAP_FULL, and the system's "no space", "quota exceeded", "file too large". */
const FULL_CODES: ReadonlySet<unknown> = new Set([
  -30_792,
  constants.errno.ENOSPC,
  constants.errno.EDQUOT,
  constants.errno.EFBIG,
  'ENOSPC',
  'EDQUOT',
]);
/** With less than this free, "input/output error" is blamed on the disk: LMDB says that when a part of a write fitted. */
const LOW_DISK_BYTES = 16 * 1024 * 1024;

/** Whether LMDB calls its file damaged. What the file system or a full disk says is something else. */
export function saysDamage(error: unknown): boolean {
  const code = codeIn(error);
  return typeof code === 'number' && DAMAGE_CODES.has(code);
}

/** Whether an error of LMDB, or of the file system, says that the disk under the directory is full. */
export function isDiskFull(error: unknown, directory: string): boolean {
  const code = codeIn(error);
  if (FULL_CODES.has(code)) return true;
  if (code !== constants.errno.EIO) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < LOW_DISK_BYTES;
}

/** @param what for the reader: "the queue" */
export function diskFull(what: string, directory: string, cause?: unknown): SluiceError {
  return new SluiceError('disk_full', `no space left for ${what} in ${directory}: the disk is full`, {
    cause,
    hint: 'Free space on the disk of the data directory; nothing is lost, the write is tried again.',
  });
}

/** A write failed, and neither damage nor a full disk is the reason. */
export function writeFailure(what: string, cause: unknown): SluiceError {
  return new SluiceError('internal', `${what} could not be written: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the disk and the kernel log; the write is tried again.',
  });
}

/** A file that could not be opened, though nothing of it is damaged. */
export function openFailure(what: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause;
  return new SluiceError('config_invalid', `${what} cannot be opened: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the disk and the kernel log.',
  });
}

function codeIn(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
