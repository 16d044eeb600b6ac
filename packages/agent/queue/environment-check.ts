/**
 * Looks at an LMDB file before it is mapped.
 *
 * A file that is not LMDB's, or that was cut short (a copy that was not finished, a disk that lost its end), does not
 * make LMDB return an error: the process dies of a signal when it touches the missing pages, and a supervisor would
 * start it again for ever. So the two meta pages are read as bytes first. LMDB may leave pages at the very end
 * unwritten, so a file that is shorter than its meta pages say is only suspicious; a process of its own then tries
 * to read all of it.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '@sluice/protocol/error';

const PAGE_HEADER_BYTES = 24;
const LMDB_MAGIC = 0xbeefc0de;
const META_VERSION_OFFSET = PAGE_HEADER_BYTES + 4;
const META_PAGE_SIZE_OFFSET = 0x30;
const META_LAST_PAGE_OFFSET = 0x90;
const META_BYTES = 0xb0;
const MIN_PAGE_BYTES = 256;
const MAX_PAGE_BYTES = 65_536;
/** A full read of the largest queue (about 1 GiB) from a slow disk. */
const PROBE_TIMEOUT_MS = 120_000;

/**
 * Checks the LMDB file at `file`; a missing or empty file is fine (it will be created).
 *
 * @throws SluiceError `state_corrupt` when the file would not survive being opened.
 */
export function checkEnvironmentFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw new SluiceError('config_invalid', `${file} cannot be read: ${String(error)}`, {
      cause: error,
      hint: 'Give this user read and write access to the data directory.',
    });
  }
  try {
    const size = fstatSync(descriptor).size;
    if (size === 0) return;
    const first = readMeta(descriptor, 0);
    if (first === undefined) throw corruptState(file, 'it is not a database of Sluice');
    const second = readMeta(descriptor, first.pageBytes);
    if (second === undefined) throw corruptState(file, 'its second header page is damaged');
    const expected = (Math.max(first.lastPage, second.lastPage) + 1) * first.pageBytes;
    if (size < expected && !survivesFullRead(file)) {
      throw corruptState(file, `it is cut short: ${size} of ${expected} bytes`);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The error for durable state that cannot be read, with what a person can do about it. */
export function corruptState(where: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('state_corrupt', `the queue ${where} cannot be read: ${reason}`, {
    cause,
    hint: 'Move the data directory away to start with an empty queue, or restore it from a copy; what it held and had not sent is otherwise lost.',
  });
}

function readMeta(descriptor: number, offset: number): { pageBytes: number; lastPage: number } | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(descriptor, bytes, 0, META_BYTES, offset) < META_BYTES) return undefined;
  if (bytes.readUInt32LE(PAGE_HEADER_BYTES) !== LMDB_MAGIC) return undefined;
  if (bytes.readUInt32LE(META_VERSION_OFFSET) > 0xffff) return undefined;
  const pageBytes = bytes.readUInt32LE(META_PAGE_SIZE_OFFSET);
  if (pageBytes < MIN_PAGE_BYTES || pageBytes > MAX_PAGE_BYTES) return undefined;
  return { pageBytes, lastPage: Number(bytes.readBigUInt64LE(META_LAST_PAGE_OFFSET)) };
}

function survivesFullRead(file: string): boolean {
  const probe = fileURLToPath(new URL('./environment-probe.ts', import.meta.url));
  const result = spawnSync(process.execPath, [probe, file], { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS });
  return result.status === 0;
}
