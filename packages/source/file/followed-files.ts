/**
 * The files that are followed, by inode and by name, and which of their read positions the queue does not know yet.
 *
 * Invariants: one entry per inode; {@link FollowedFiles.takeChanges} returns each changed position once, as it is at the
 * moment of the call; a file that is let go keeps its last position in the index, so that it goes on there when it comes
 * back.
 */
import type { CheckpointChange } from '../checkpoint-change.ts';
import type { SourceHost } from '../source.ts';
import { FILE_KIND } from './file-book.ts';
import { CheckpointIndex, type FileCheckpoint, STARTED_KEY } from './file-checkpoint.ts';
import { FollowedFile } from './followed-file.ts';

export class FollowedFiles {
  readonly index: CheckpointIndex;
  readonly #host: SourceHost;
  readonly #byKey = new Map<string, FollowedFile>();
  readonly #byPath = new Map<string, FollowedFile>();
  readonly #changed = new Set<FollowedFile>();
  readonly #removedKeys = new Set<string>();
  /** `waiting`: files that were present at the first start do not all have their positions yet. */
  #startMark: 'written' | 'waiting' | 'due';

  /** @param host makes the consumers, and says which positions were kept */
  constructor(host: SourceHost, nowMs: number) {
    this.#host = host;
    this.index = new CheckpointIndex(host.checkpoints);
    this.#startMark = this.index.started ? 'written' : 'waiting';
    for (const key of this.index.unreadableKeys) this.#removedKeys.add(key);
    for (const { key } of this.index.expire(nowMs)) this.#removedKeys.add(key);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Whether this queue has never had the positions of all files that were present. */
  get isFirstStart(): boolean {
    return this.#startMark === 'waiting';
  }

  values(): IterableIterator<FollowedFile> {
    return this.#byKey.values();
  }

  paths(): IterableIterator<string> {
    return this.#byPath.keys();
  }

  get(key: string): FollowedFile | undefined {
    return this.#byKey.get(key);
  }

  atPath(path: string): FollowedFile | undefined {
    return this.#byPath.get(path);
  }

  /** Follows a file from its first byte; the caller moves the position before the first turn. */
  add(path: string, stats: { dev: number; ino: number; birthtimeMs: number }, nowMs: number): FollowedFile {
    const identity = { path, device: stats.dev, inode: stats.ino, birthtimeMs: stats.birthtimeMs };
    const consumer = this.#host.consumers.forLines({ kind: FILE_KIND, name: path });
    const file: FollowedFile = new FollowedFile(identity, consumer, (error) =>
      this.#host.recordFailed({ kind: FILE_KIND, name: file.path }, error),
    );
    file.grownMs = nowMs;
    this.#byKey.set(file.key, file);
    this.#byPath.set(path, file);
    return file;
  }

  /** Continues from the position that is kept for this inode, if there is one. */
  resume(file: FollowedFile): boolean {
    const kept = this.index.find(file);
    if (kept === undefined) return false;
    this.resumeFrom(file, kept.key, kept.checkpoint);
    return true;
  }

  /** Continues from this position, which is the file's from now on. */
  resumeFrom(file: FollowedFile, key: string, checkpoint: FileCheckpoint): void {
    file.resume(checkpoint);
    if (key === file.key) return;
    // The device number changed: the position moves to the new key.
    this.index.delete(key);
    this.#removedKeys.add(key);
    this.#changed.add(file);
  }

  rename(file: FollowedFile, path: string): void {
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
    file.path = path;
    this.#byPath.set(path, file);
    this.#changed.add(file);
  }

  /** Follows a file no longer. */
  remove(file: FollowedFile, nowMs: number): void {
    this.#byKey.delete(file.key);
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
    if (this.#changed.has(file)) this.index.set(file.key, file.checkpoint(nowMs));
  }

  /** The file exists no more: its position means nothing. */
  forgetPosition(file: FollowedFile): void {
    this.#changed.delete(file);
    this.index.delete(file.key);
    this.#removedKeys.add(file.key);
  }

  /** The position of the file is not what the queue knows. */
  markChanged(file: FollowedFile): void {
    this.#changed.add(file);
  }

  /**
   * The first start is over when each file that was present has its position. What a file holds that cannot be opened now was
   * there before us all the same.
   */
  updateFirstStart(): void {
    if (this.#startMark !== 'waiting') return;
    for (const file of this.#byKey.values()) {
      if (file.startBeforeBytes === undefined) continue;
      if (file.progress.failure === '') return;
      this.#changed.add(file);
    }
    this.#startMark = 'due';
  }

  /** Whether {@link takeChanges} has something. */
  get hasChanges(): boolean {
    return this.#changed.size > 0 || this.#removedKeys.size > 0 || this.#startMark === 'due';
  }

  /** The positions that changed since the last call. */
  takeChanges(nowMs: number): CheckpointChange[] {
    const changes: CheckpointChange[] = [];
    for (const key of this.#removedKeys) changes.push({ key, value: undefined });
    this.#removedKeys.clear();
    for (const file of this.#changed) {
      const checkpoint = file.checkpoint(nowMs);
      this.index.set(file.key, checkpoint);
      changes.push({ key: file.key, value: checkpoint });
    }
    this.#changed.clear();
    if (this.#startMark === 'due') {
      this.#startMark = 'written';
      changes.push({ key: STARTED_KEY, value: true });
    }
    return changes;
  }
}
