/**
 * Read positions of files as they are kept in the queue, and how a file that is found is matched with one.
 *
 * Invariants: the key names the inode; a position is used only for a file whose first bytes match the fingerprint that
 * stands beside it. Device numbers may change with a reboot, so a position whose inode and path agree is a candidate
 * too.
 */

import { z } from 'zod';
import type { CheckpointChange } from '../checkpoint-change.ts';
import type { Fingerprint } from './fingerprint.ts';

const KEY_PREFIX = 'file:';
/** Key of the mark that the files present at the first start have their positions. */
export const STARTED_KEY = 'file-source-started';
/** A file that was not seen for this long is not coming back; its inode has long been somebody else's. */
const CHECKPOINT_RETENTION_MS: number = 30 * 24 * 3600 * 1000;

export interface FileCheckpoint {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** 0 where the file system does not know it. */
  readonly birthtimeMs: number;
  readonly fingerprint: Fingerprint;
  readonly offsetBytes: number;
  readonly midLine: boolean;
  readonly seenMs: number;
}

/** What `stat` says of a file that was found. */
export interface FileIdentity {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  readonly birthtimeMs: number;
}

const checkpointSchema: z.ZodType<FileCheckpoint> = z.object({
  path: z.string(),
  device: z.number(),
  inode: z.number(),
  birthtimeMs: z.number(),
  fingerprint: z.object({ bytes: z.int().min(0), hash: z.string() }),
  offsetBytes: z.int().min(0),
  midLine: z.boolean(),
  seenMs: z.number(),
});

/** Names a file by its inode. */
export function fileKey(device: number, inode: number): string {
  return `${KEY_PREFIX}${device}:${inode}`;
}

/** All known positions, by key. */
export class CheckpointIndex {
  readonly #byKey = new Map<string, FileCheckpoint>();
  readonly #keyByPathAndInode = new Map<string, string>();
  readonly #unreadable: string[] = [];
  /** Whether files that were present at the first start have their positions already. */
  readonly started: boolean;

  constructor(stored: Iterable<{ key: string; value: unknown }>) {
    let started = false;
    for (const { key, value } of stored) {
      if (key === STARTED_KEY) started = true;
      if (!key.startsWith(KEY_PREFIX)) continue;
      const parsed = checkpointSchema.safeParse(value);
      if (parsed.success) this.set(key, parsed.data);
      else this.#unreadable.push(key);
    }
    this.started = started;
  }

  /** Keys whose values could not be understood; such files are read from the beginning. */
  get unreadableKeys(): readonly string[] {
    return this.#unreadable;
  }

  entries(): IterableIterator<[string, FileCheckpoint]> {
    return this.#byKey.entries();
  }

  set(key: string, checkpoint: FileCheckpoint): void {
    this.#byKey.set(key, checkpoint);
    this.#keyByPathAndInode.set(`${checkpoint.inode}:${checkpoint.path}`, key);
  }

  delete(key: string): void {
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    this.#byKey.delete(key);
    this.#keyByPathAndInode.delete(`${known.inode}:${known.path}`);
  }

  /** The position that a found file may continue from; the caller checks the fingerprint. */
  find(file: FileIdentity): { key: string; checkpoint: FileCheckpoint } | undefined {
    const key = fileKey(file.device, file.inode);
    const exact = this.#byKey.get(key);
    if (exact !== undefined) return sameBirth(exact, file) ? { key, checkpoint: exact } : undefined;
    const otherKey = this.#keyByPathAndInode.get(`${file.inode}:${file.path}`);
    const other = otherKey === undefined ? undefined : this.#byKey.get(otherKey);
    if (otherKey === undefined || other === undefined || other.fingerprint.bytes === 0) return undefined;
    return sameBirth(other, file) ? { key: otherKey, checkpoint: other } : undefined;
  }

  /** Removals of what has not been seen for {@link CHECKPOINT_RETENTION_MS}. */
  expire(nowMs: number): CheckpointChange[] {
    const changes: CheckpointChange[] = [];
    for (const [key, checkpoint] of this.#byKey) {
      if (nowMs - checkpoint.seenMs <= CHECKPOINT_RETENTION_MS) continue;
      this.delete(key);
      changes.push({ key, value: undefined });
    }
    return changes;
  }
}

/** Whether two births may be of one file; unknown births say nothing. */
export function sameBirth(a: { birthtimeMs: number }, b: { birthtimeMs: number }): boolean {
  return a.birthtimeMs === 0 || b.birthtimeMs === 0 || a.birthtimeMs === b.birthtimeMs;
}
