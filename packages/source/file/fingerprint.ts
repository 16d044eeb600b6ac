/**
 * Tells whether a file still is the file whose position we know: by the hash of its first bytes.
 *
 * The device and inode alone do not say it: inodes are used again, and a truncated file keeps its own. The fingerprint
 * covers what the file had when it was taken (at most {@link MAX_FINGERPRINT_BYTES}) and grows with the file.
 *
 * Invariant: a file that is only appended to matches all of its earlier fingerprints.
 */
import { hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** Enough for a first line with its time stamp; little enough to read again and again. */
const MAX_FINGERPRINT_BYTES = 1024;

export interface Fingerprint {
  /** How many first bytes are covered; 0 matches any file. */
  readonly bytes: number;
  readonly hash: string;
}

export const EMPTY_FINGERPRINT: Fingerprint = { bytes: 0, hash: '' };

const scratch = Buffer.alloc(MAX_FINGERPRINT_BYTES);

/**
 * Compares a file with a fingerprint.
 *
 * @returns the fingerprint grown to what the file has now, or undefined when it is another file (or was rewritten).
 * @throws what reading throws.
 */
export async function matchFingerprint(
  handle: Pick<FileHandle, 'read'>,
  known: Fingerprint,
): Promise<Fingerprint | undefined> {
  // The scratch is shared: callers take turns (one file is read at a time).
  const { bytesRead } = await handle.read(scratch, 0, MAX_FINGERPRINT_BYTES, 0);
  if (bytesRead < known.bytes) return undefined;
  if (known.bytes > 0 && digest(known.bytes) !== known.hash) return undefined;
  return bytesRead === known.bytes ? known : { bytes: bytesRead, hash: digest(bytesRead) };
}

function digest(bytes: number): string {
  return hash('sha1', scratch.subarray(0, bytes), 'base64');
}
