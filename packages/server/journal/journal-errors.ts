/** What LMDB says when the journal cannot be read or written, in our words. */
import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { SluiceError } from '@sluice/base/error';
import { commitErrorOf } from '@sluice/durable/lmdb/commit-error';
import { MAX_COMMIT_BYTES } from './group-commit.ts';

/** MDB_MAP_FULL and the system's own codes. */
const DISK_FULL_CODES: readonly number[] = [-30792, constants.errno.ENOSPC, constants.errno.EDQUOT];

/** The error for a journal that LMDB calls damaged while it is open. */
export function damagedJournal(directory: string, reason: string, cause: unknown): SluiceError {
  return new SluiceError(
    'state_corrupt',
    `the journal in ${directory} was damaged while it was in use: ${reason}`,
    {
      cause,
      hint: 'Check the disk and restart the server: it saves what can be read, says what was lost, and keeps the damaged file.',
    },
  );
}

/** An error of LMDB as a SluiceError: `disk_full`, or `otherwise`. */
export async function translate(
  error: unknown,
  otherwise: 'state_corrupt' | 'internal',
  directory: string,
): Promise<SluiceError> {
  if (error instanceof SluiceError) return error;
  const cause = await commitErrorOf(error);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (await isDiskFull(cause, directory)) {
    return new SluiceError('disk_full', `no space left for the journal in ${directory}: ${message}`, {
      cause,
      hint: 'Free space on the disk of the data directory.',
    });
  }
  return new SluiceError(otherwise, `the journal in ${directory} cannot be used: ${message}`, {
    cause,
    hint: 'Check the disk of the data directory.',
  });
}

/**
 * LMDB says "no space" when nothing of a write fitted, but "I/O error" when a part of it did; then the free space tells.
 */
async function isDiskFull(cause: unknown, directory: string): Promise<boolean> {
  if (!(cause instanceof Error) || !('code' in cause)) return false;
  if (typeof cause.code !== 'number') return cause.code === 'ENOSPC' || cause.code === 'EDQUOT';
  if (DISK_FULL_CODES.includes(cause.code)) return true;
  if (cause.code !== constants.errno.EIO) return false;
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize < 2 * MAX_COMMIT_BYTES;
}
