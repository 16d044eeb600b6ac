/**
 * The *look* loop: walks the patterns and compares what it finds with what is followed (new, renamed, grown, truncated, gone).
 *
 * Invariant: a file is followed once, by inode, however many names lead to it.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { FileAttention } from './file-attention.ts';
import type { FileBook } from './file-book.ts';
import { type FileCheckpoint, fileKey, sameBirth } from './file-checkpoint.ts';
import { ownOutputFiles, pathsByInode } from './file-system-facts.ts';
import type { FollowedFile } from './followed-file.ts';
import type { FollowedFiles } from './followed-files.ts';
import type { FoundFile, GlobWalker } from './glob-walk.ts';

/** A walk that takes long is repeated less often: walking costs at most a twentieth of the time. */
const LOOK_REST_FACTOR = 20;
/** Names change in bursts: a hint of a change is followed by a look at the earliest this long after the one before. */
const LEAST_REST_MS = 100;

export interface FileLookerOptions {
  readonly walker: GlobWalker;
  readonly files: FollowedFiles;
  readonly attention: FileAttention;
  readonly book: FileBook;
  /** Whether files that are present at the first start of a new queue are read from their beginning. */
  readonly fromStart: boolean;
  readonly intervalMs: number;
  /** The file whose turn it is. */
  readonly current: () => FollowedFile | undefined;
  /** Its inode is another file's now: it is followed no longer. */
  readonly forget: (file: FollowedFile) => void;
  /** After each look. @param directories where files are */
  readonly onLooked: (directories: ReadonlySet<string>) => void;
}

/** A file that is followed from a look on, as that look found it. */
interface MetFile {
  readonly followed: FollowedFile;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export class FileLooker {
  readonly #options: FileLookerOptions;
  #walkNumber = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #durationMs = 0;
  #endedMs = 0;
  #stopped = false;

  constructor(options: FileLookerOptions) {
    this.#options = options;
  }

  /** Looks once, and from then on again and again. Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Names changed somewhere: looks soon. */
  lookSoon(): void {
    if (this.#stopped || this.#looking !== undefined) return;
    const rest = Math.max(LEAST_REST_MS, this.#durationMs * LOOK_REST_FACTOR);
    const waitMs = Math.max(0, this.#endedMs + rest - performance.now());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAgain(), waitMs);
  }

  #schedule(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    const rest = Math.max(this.#options.intervalMs, this.#durationMs * LOOK_REST_FACTOR);
    this.#timer = setTimeout(() => this.#lookAgain(), rest);
  }

  #lookAgain(): void {
    if (this.#stopped || this.#looking !== undefined) return;
    clearTimeout(this.#timer);
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      this.#schedule();
    });
  }

  async #look(): Promise<void> {
    const { walker, book, onLooked, files: followed } = this.#options;
    const startedMs = performance.now();
    this.#walkNumber++;
    const { files, problems, directories } = await walker.walk();
    if (this.#stopped) return;
    book.looked(problems, Date.now());
    const ownFiles = ownOutputFiles();
    const firstLook = this.#walkNumber === 1;
    const met: MetFile[] = [];
    for (const found of files) {
      if (ownFiles.has(fileKey(found.stats.dev, found.stats.ino))) continue;
      const file = this.#found(found, firstLook);
      if (file !== undefined) met.push(file);
    }
    if (firstLook) await this.#findMovedWhileDown();
    await this.#noticeGone();
    this.#giveTurns(met);
    followed.updateFirstStart();
    this.#endedMs = performance.now();
    this.#durationMs = this.#endedMs - startedMs;
    onLooked(directories);
  }

  /** @returns the file when it is followed from now on: nobody has given it a turn yet */
  #found({ path: file, stats }: FoundFile, firstLook: boolean): MetFile | undefined {
    const { files, attention, book, fromStart, current, forget } = this.#options;
    const known = files.get(fileKey(stats.dev, stats.ino));
    if (known !== undefined) {
      if (known.seenInWalk !== this.#walkNumber) {
        known.seenInWalk = this.#walkNumber;
        known.goneMs = undefined;
        known.foundByInode = false;
        if (known.path !== file) files.rename(known, file);
      }
      if (sameBirth(known, { birthtimeMs: stats.birthtimeMs })) {
        attention.compare(known, stats.size, stats.mtimeMs);
        if (known.hasUnfinishedLine) attention.activate(known);
        return undefined;
      }
      // The inode was used again while we had no descriptor on it.
      if (known === current()) return undefined;
      if (known.unreadBytes > 0) book.vanishedUnread(known, Date.now());
      forget(known);
      void known.close();
    }
    const followed = this.#follow(file, stats);
    const resumed = files.resume(followed);
    if (resumed) book.cameBack(followed);
    if (!resumed && firstLook && files.isFirstStart && !fromStart && stats.size > 0) {
      followed.startBeforeBytes = stats.size;
      followed.position.offsetBytes = stats.size;
    }
    return { followed, sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
  }

  /**
   * Gives files that were met their turns, those first that were written to longest ago, and all of them behind those that are
   * gone: a log that was rotated is read to its end before the file that took its name, so that lines of one time keep their order.
   */
  #giveTurns(met: readonly MetFile[]): void {
    const { attention } = this.#options;
    for (const { followed, sizeBytes, modifiedMs } of met.toSorted((a, b) => a.modifiedMs - b.modifiedMs)) {
      if (followed.startBeforeBytes !== undefined) attention.enqueue(followed);
      attention.compare(followed, sizeBytes, modifiedMs);
    }
  }

  #follow(file: string, stats: { dev: number; ino: number; birthtimeMs: number }): FollowedFile {
    const followed = this.#options.files.add(file, stats, Date.now());
    followed.seenInWalk = this.#walkNumber;
    return followed;
  }

  /** Files that no path led to in this walk: rotated away or removed. They are read to their end, then let go. */
  async #noticeGone(): Promise<void> {
    const { files, attention } = this.#options;
    for (const file of files.values()) {
      if (file.seenInWalk === this.#walkNumber) continue;
      if (file.goneMs === undefined) {
        file.goneMs = Date.now();
        if (file.handle === undefined) await this.#seekSibling(file);
        attention.makeReady(file);
      }
      attention.activate(file);
    }
  }

  /** Positions of files that were rotated while nobody looked: the rest is next to where they were. */
  async #findMovedWhileDown(): Promise<void> {
    const { files } = this.#options;
    const directories = new Map<string, Map<number, string>>();
    const nowMs = Date.now();
    for (const [key, checkpoint] of [...files.index.entries()]) {
      if (files.get(key) !== undefined || checkpoint.fingerprint.bytes === 0) continue;
      const directory = path.dirname(checkpoint.path);
      let siblings = directories.get(directory);
      if (siblings === undefined) {
        siblings = await pathsByInode(directory);
        directories.set(directory, siblings);
      }
      const moved = siblings.get(checkpoint.inode);
      if (moved !== undefined) await this.#followMoved(key, checkpoint, moved, nowMs);
    }
  }

  async #followMoved(key: string, checkpoint: FileCheckpoint, moved: string, nowMs: number): Promise<void> {
    const { files, attention } = this.#options;
    const stats = await stat(moved).catch(() => undefined);
    if (
      stats === undefined ||
      !sameBirth(checkpoint, stats) ||
      files.get(fileKey(stats.dev, stats.ino)) !== undefined
    )
      return;
    if (stats.size <= checkpoint.offsetBytes) return;
    const file = this.#follow(moved, stats);
    files.resumeFrom(file, key, checkpoint);
    file.foundByInode = true;
    file.goneMs = nowMs;
    file.seenInWalk = 0;
    attention.makeReady(file);
  }

  async #seekSibling(file: FollowedFile): Promise<void> {
    const moved = (await pathsByInode(path.dirname(file.path))).get(file.inode);
    if (moved === undefined || moved === file.path) return;
    file.foundByInode = true;
    this.#options.files.rename(file, moved);
  }
}
