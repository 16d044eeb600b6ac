/**
 * Follows files: finds them, decides whose turn it is, and hands their lines out.
 *
 * Two loops run side by side. The *look* loop walks the patterns and compares what it finds with what is followed (new,
 * renamed, grown, truncated, gone). The *read* loop takes files with something to read in turn, one piece each, so a
 * huge file never holds up the others. Between looks, files with recent activity are polled, and hints of the operating
 * system wake both.
 *
 * Invariants:
 * - A file is followed once, by inode, however many names lead to it.
 * - {@link FileSource.takeCheckpoints}, called between lines, returns positions exactly behind the lines handed out.
 * - No more than `maxOpenFiles` descriptors, but for files that were removed or renamed away and not read to their end.
 * - With nothing to read, nothing runs but the look loop.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '@sluice/base/error';
import type { CheckpointChange } from '../checkpoint-change.ts';
import type { LineConsumers } from '../line-consumer.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { type FileCheckpoint, fileKey, sameBirth } from './file-checkpoint.ts';
import { directoryIdentities, ownOutputFiles, pathsByInode } from './file-system-facts.ts';
import { type FollowedFile, type OpenFile, openForReading, READ_BYTES } from './followed-file.ts';
import { FollowedFiles } from './followed-files.ts';
import { type FoundFile, GlobWalker } from './glob-walk.ts';
import { SourceBook, type SourceStates } from './source-states.ts';

/** How often the patterns are walked: a new file is noticed within this, without any hint. */
const LOOK_INTERVAL_MS = 1000;
/** A walk that takes long is repeated less often: walking costs at most a twentieth of the time. */
const LOOK_REST_FACTOR = 20;
/** How often files with recent activity are looked at between walks. */
const POLL_INTERVAL_MS = 200;
/** How long a file without news is polled. */
const ACTIVE_MS = 10_000;
/** Polled files: beyond this many, the walk alone must do. */
const MAX_ACTIVE_FILES = 256;
/** A last line without its end is handed out when nothing came for this long. */
const DEFAULT_FLUSH_AFTER_MS = 2000;
/** A removed or renamed file stays open this long after its last bytes: its writer may not know yet. */
const DEFAULT_ROTATION_WAIT_MS = 5000;
/** Descriptors for followed files; well below the usual limit of 1024 for a process. */
const MAX_OPEN_FILES = 512;
/** Hints are gathered this long: a file that is written to a thousand times a second is read fifty times. */
const HINT_DELAY_MS = 20;

export interface FileSourceOptions {
  /** Patterns of the files to follow. */
  readonly include: readonly string[];
  readonly exclude?: readonly string[];
  /** Whether files that are present at the first start of a new queue are read from their beginning. */
  readonly fromStart?: boolean;
  /** Directories that are never entered: the agent's own data. */
  readonly ownDirectories?: readonly string[];
  readonly maxOpenFiles?: number;
  readonly flushAfterMs?: number;
  readonly rotationWaitMs?: number;
  readonly lookIntervalMs?: number;
  readonly pollIntervalMs?: number;
  readonly openFile?: OpenFile;
}

/** What a source asks of the pipeline. */
export interface FileSourceHost {
  readonly consumers: LineConsumers;
  /** Read positions as they were committed. */
  readonly checkpoints: Iterable<{ key: string; value: unknown }>;
  /** Whether another piece may be read now; {@link FileSource.resume} says that it may again. */
  mayRead(): boolean;
  /** After each line of so many bytes: its position is taken, so a cut may be made here. */
  afterLine(lineBytes: number): void;
  /** After each piece, and when positions changed without one. */
  afterTurn(): void;
  /** A consumer threw at a line of this file: the line became no record, reading goes on behind it. */
  readonly lineFailed: (path: string, error: unknown) => void;
}

export class FileSource {
  readonly #options: Required<Omit<FileSourceOptions, 'include' | 'exclude'>>;
  readonly #host: FileSourceHost;
  readonly #afterLine: (lineBytes: number) => void;
  readonly #walker: GlobWalker;
  readonly #files: FollowedFiles;
  /** Files with something to read, in the order of their turns. */
  readonly #ready = new Set<FollowedFile>();
  readonly #active = new Set<FollowedFile>();
  /** Files with a descriptor, least recently used first. */
  readonly #open = new Set<FollowedFile>();
  readonly #hinted = new Set<FollowedFile>();
  /** The file whose turn it is. */
  #current: FollowedFile | undefined;
  readonly #book = new SourceBook();
  /** Nothing is read now because the host does not want more. */
  #paused = false;
  readonly #watch: DirectoryWatch;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #walkNumber = 0;
  #lookTimer: NodeJS.Timeout | undefined;
  #hintTimer: NodeJS.Timeout | undefined;
  #pollTimer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #polling: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #lookDurationMs = 0;
  #lookEndedMs = 0;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: FileSourceOptions, host: FileSourceHost) {
    this.#options = {
      fromStart: options.fromStart ?? false,
      ownDirectories: options.ownDirectories ?? [],
      maxOpenFiles: options.maxOpenFiles ?? MAX_OPEN_FILES,
      flushAfterMs: options.flushAfterMs ?? DEFAULT_FLUSH_AFTER_MS,
      rotationWaitMs: options.rotationWaitMs ?? DEFAULT_ROTATION_WAIT_MS,
      lookIntervalMs: options.lookIntervalMs ?? LOOK_INTERVAL_MS,
      pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      openFile: options.openFile ?? openForReading,
    };
    this.#host = host;
    this.#afterLine = (lineBytes) => host.afterLine(lineBytes);
    this.#files = new FollowedFiles(host.consumers, host.checkpoints, Date.now(), host.lineFailed);
    this.#walker = new GlobWalker(options.include, options.exclude ?? [], () =>
      directoryIdentities(this.#options.ownDirectories),
    );
    this.#watch = new DirectoryWatch(
      (file) => this.#hintChanged(file),
      () => this.#hintRenamed(),
    );
  }

  /** Looks once, then reads and follows in the background. Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
    this.#reading = this.#readLoop();
    this.#scheduleLook();
  }

  /** Ends reading after the piece in progress and closes all files. Lines without an end stay unread. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#lookTimer);
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#hintTimer);
    this.#watch.close();
    this.#wake();
    await Promise.all([this.#reading, this.#looking, this.#polling]);
    await Promise.all([...this.#files.values()].map((file) => file.close()));
    this.#open.clear();
  }

  /** Reading may go on. */
  resume(): void {
    this.#wake();
  }

  /** Whether {@link takeCheckpoints} has something. */
  get hasCheckpoints(): boolean {
    return this.#files.hasChanges;
  }

  /** The positions that changed since the last call. */
  takeCheckpoints(): CheckpointChange[] {
    // A cut in the middle of a turn: the lines before it belong to the cut.
    if (this.#current !== undefined) this.#files.markChanged(this.#current);
    return this.#files.takeChanges(Date.now());
  }

  /** Bytes on disk that were not read, as far as is known. */
  get unreadBytes(): number {
    let bytes = 0;
    for (const file of this.#files.values()) bytes += file.unreadBytes;
    return bytes;
  }

  get fileCount(): number {
    return this.#files.size;
  }

  get openFileCount(): number {
    return this.#open.size;
  }

  /** What cannot be read now, one sentence each. */
  problems(): string[] {
    return this.#book.problems(this.#files.values());
  }

  /** How the sources are. @param pausedWhy why reading pauses, should it do so now */
  states(pausedWhy: string): SourceStates {
    const why = this.#paused ? pausedWhy : undefined;
    return this.#book.states(this.#files.values(), Date.now(), why, this.#current);
  }

  // --- looking ---

  #scheduleLook(): void {
    if (this.#stopped) return;
    clearTimeout(this.#lookTimer);
    const rest = Math.max(this.#options.lookIntervalMs, this.#lookDurationMs * LOOK_REST_FACTOR);
    this.#lookTimer = setTimeout(() => this.#lookAgain(), rest);
  }

  #lookAgain(): void {
    if (this.#stopped || this.#looking !== undefined) return;
    clearTimeout(this.#lookTimer);
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      this.#scheduleLook();
    });
  }

  async #look(): Promise<void> {
    const startedMs = performance.now();
    this.#walkNumber++;
    const { files, problems, directories } = await this.#walker.walk();
    if (this.#stopped) return;
    this.#book.looked(problems, Date.now());
    const ownFiles = ownOutputFiles();
    const firstLook = this.#walkNumber === 1;
    for (const found of files) {
      if (!ownFiles.has(fileKey(found.stats.dev, found.stats.ino))) this.#found(found, firstLook);
    }
    if (firstLook) await this.#findMovedWhileDown();
    await this.#noticeGone();
    this.#watch.update(this.#watchedDirectories(directories));
    this.#updateFirstStart();
    this.#lookEndedMs = performance.now();
    this.#lookDurationMs = this.#lookEndedMs - startedMs;
    if (this.hasCheckpoints) this.#host.afterTurn();
  }

  #found({ path: file, stats }: FoundFile, firstLook: boolean): void {
    const key = fileKey(stats.dev, stats.ino);
    const known = this.#files.get(key);
    if (known !== undefined) {
      if (known.seenInWalk !== this.#walkNumber) {
        known.seenInWalk = this.#walkNumber;
        known.goneMs = undefined;
        known.foundByInode = false;
        if (known.path !== file) this.#files.rename(known, file);
      }
      if (sameBirth(known, { birthtimeMs: stats.birthtimeMs })) {
        this.#compare(known, stats.size, stats.mtimeMs);
        if (known.hasUnfinishedLine) this.#activate(known);
        return;
      }
      // The inode was used again while we had no descriptor on it.
      if (known === this.#current) return;
      if (known.unreadBytes > 0) this.#book.vanishedUnread(known, Date.now());
      this.#forget(known);
      void known.close();
    }
    const followed = this.#follow(file, stats);
    const resumed = this.#files.resume(followed);
    if (resumed) this.#book.cameBack(followed);
    if (!resumed && firstLook && this.#files.isFirstStart && !this.#options.fromStart && stats.size > 0) {
      followed.startBeforeBytes = stats.size;
      followed.position.offsetBytes = stats.size;
      this.#ready.add(followed);
    }
    this.#compare(followed, stats.size, stats.mtimeMs);
  }

  #follow(file: string, stats: { dev: number; ino: number; birthtimeMs: number }): FollowedFile {
    const followed = this.#files.add(file, stats, Date.now());
    followed.seenInWalk = this.#walkNumber;
    return followed;
  }

  /** Gives a file its turn when its size or time says that there is something to look for. */
  #compare(file: FollowedFile, sizeBytes: number, modifiedMs: number): void {
    const news = sizeBytes !== file.endBytes || modifiedMs !== file.modifiedMs;
    file.sizeBytes = sizeBytes;
    file.modifiedMs = modifiedMs;
    file.noteProgress(Date.now());
    if (news && (sizeBytes > 0 || file.endBytes > 0)) this.#makeReady(file);
  }

  #makeReady(file: FollowedFile): void {
    this.#ready.add(file);
    this.#activate(file);
    this.#wake();
  }

  #activate(file: FollowedFile): void {
    if (this.#active.size < MAX_ACTIVE_FILES || file.goneMs !== undefined) this.#active.add(file);
    this.#schedulePoll();
  }

  /** Files that no path led to in this walk: rotated away or removed. They are read to their end, then let go. */
  async #noticeGone(): Promise<void> {
    for (const file of this.#files.values()) {
      if (file.seenInWalk === this.#walkNumber) continue;
      if (file.goneMs === undefined) {
        file.goneMs = Date.now();
        if (file.handle === undefined) await this.#seekSibling(file);
        this.#makeReady(file);
      }
      this.#activate(file);
    }
  }

  /** Positions of files that were rotated while nobody looked: the rest is next to where they were. */
  async #findMovedWhileDown(): Promise<void> {
    const directories = new Map<string, Map<number, string>>();
    const nowMs = Date.now();
    for (const [key, checkpoint] of [...this.#files.index.entries()]) {
      if (this.#files.get(key) !== undefined || checkpoint.fingerprint.bytes === 0) continue;
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
    const stats = await stat(moved).catch(() => undefined);
    if (
      stats === undefined ||
      !sameBirth(checkpoint, stats) ||
      this.#files.get(fileKey(stats.dev, stats.ino)) !== undefined
    )
      return;
    if (stats.size <= checkpoint.offsetBytes) return;
    const file = this.#follow(moved, stats);
    this.#files.resumeFrom(file, key, checkpoint);
    file.foundByInode = true;
    file.goneMs = nowMs;
    file.seenInWalk = 0;
    this.#makeReady(file);
  }

  async #seekSibling(file: FollowedFile): Promise<void> {
    const moved = (await pathsByInode(path.dirname(file.path))).get(file.inode);
    if (moved === undefined || moved === file.path) return;
    file.foundByInode = true;
    this.#files.rename(file, moved);
  }

  #watchedDirectories(walked: ReadonlySet<string>): Set<string> {
    const directories = new Set<string>();
    for (const file of this.#active) directories.add(path.dirname(file.path));
    for (const file of this.#files.paths()) directories.add(path.dirname(file));
    for (const directory of walked) directories.add(directory);
    return directories;
  }

  #updateFirstStart(): void {
    this.#files.updateFirstStart((file) => file.progress.failure !== '');
  }

  #hintChanged(file: string): void {
    const followed = this.#files.atPath(file);
    if (followed === undefined || this.#stopped) return;
    this.#hinted.add(followed);
    this.#hintTimer ??= setTimeout(() => {
      this.#hintTimer = undefined;
      for (const hinted of this.#hinted) if (this.#files.get(hinted.key) === hinted) this.#makeReady(hinted);
      this.#hinted.clear();
    }, HINT_DELAY_MS);
  }

  #hintRenamed(): void {
    if (this.#stopped || this.#looking !== undefined) return;
    const rest = Math.max(POLL_INTERVAL_MS / 2, this.#lookDurationMs * LOOK_REST_FACTOR);
    const waitMs = Math.max(0, this.#lookEndedMs + rest - performance.now());
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => this.#lookAgain(), waitMs);
  }

  // --- polling ---

  #schedulePoll(): void {
    if (this.#stopped || this.#pollTimer !== undefined || this.#active.size === 0) return;
    this.#pollTimer = setTimeout(() => {
      this.#polling = this.#poll().finally(() => {
        this.#polling = undefined;
        this.#pollTimer = undefined;
        this.#schedulePoll();
      });
    }, this.#options.pollIntervalMs);
  }

  async #poll(): Promise<void> {
    const nowMs = Date.now();
    for (const file of [...this.#active]) {
      if (this.#stopped) return;
      if (this.#ready.has(file) || file === this.#current) continue;
      await this.#pollFile(file, nowMs);
    }
  }

  async #pollFile(file: FollowedFile, nowMs: number): Promise<void> {
    const handle = file.handle;
    const stats = await (handle === undefined ? stat(file.path) : handle.stat()).catch(() => undefined);
    if (stats !== undefined && stats.ino === file.inode) this.#compare(file, stats.size, stats.mtimeMs);
    if (this.#ready.has(file) || file === this.#current) return;
    const quietMs = nowMs - Math.max(file.grownMs, file.goneMs ?? 0);
    if (stats === undefined && file.goneMs !== undefined) {
      // Neither a descriptor nor a path: nothing can be read. Its position stays for the case that it comes back.
      if (quietMs >= this.#options.rotationWaitMs) await this.#letGo(file, 1);
    } else if (file.hasUnfinishedLine) {
      if (nowMs - file.grownMs < this.#options.flushAfterMs) return;
      file.flushWanted = true;
      this.#makeReady(file);
    } else if (file.goneMs !== undefined) {
      if (quietMs >= this.#options.rotationWaitMs) await this.#letGo(file, stats?.nlink ?? 0);
    } else if (quietMs >= ACTIVE_MS) this.#active.delete(file);
  }

  /** A gone file was read to its end: frees its descriptor. Its position is kept while the file exists somewhere. */
  async #letGo(file: FollowedFile, links: number): Promise<void> {
    if (file.unreadBytes > 0) this.#book.vanishedUnread(file, Date.now());
    this.#forget(file);
    await file.close();
    if (links > 0) return;
    this.#files.forgetPosition(file);
    this.#host.afterTurn();
  }

  #forget(file: FollowedFile): void {
    this.#book.letGo(file);
    this.#files.remove(file, Date.now());
    this.#ready.delete(file);
    this.#active.delete(file);
    this.#open.delete(file);
  }

  // --- reading ---

  async #readLoop(): Promise<void> {
    while (!this.#stopped) {
      this.#paused = !this.#host.mayRead();
      const file = this.#paused ? undefined : this.#nextReady();
      if (file === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      await this.#turn(file);
      this.#host.afterTurn();
    }
  }

  #nextReady(): FollowedFile | undefined {
    for (const file of this.#ready) {
      this.#ready.delete(file);
      return file;
    }
    return undefined;
  }

  async #turn(file: FollowedFile): Promise<void> {
    const before = file.position.offsetBytes;
    const fingerprint = file.fingerprint;
    this.#current = file;
    try {
      if (file.handle === undefined) await this.#makeRoomForDescriptor();
      const outcome = await file.turn(this.#buffer, this.#options.openFile, Date.now(), this.#afterLine);
      if (file.handle !== undefined) {
        this.#open.delete(file);
        this.#open.add(file);
      }
      if (outcome === 'more') this.#ready.add(file);
      if (outcome === 'replaced') this.#hintRenamed();
      else file.progress.succeeded();
    } catch (error) {
      await this.#turnFailed(file, error);
    } finally {
      this.#current = undefined;
    }
    file.noteProgress(Date.now());
    if (file.position.offsetBytes !== before || file.fingerprint !== fingerprint)
      this.#files.markChanged(file);
    this.#updateFirstStart();
  }

  async #turnFailed(file: FollowedFile, error: unknown): Promise<void> {
    this.#open.delete(file);
    await file.close().catch(() => undefined);
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return;
    file.progress.failed(messageOf(error), Date.now());
    // Tried again at the next look.
    file.modifiedMs = 0;
    this.#active.delete(file);
  }

  async #makeRoomForDescriptor(): Promise<void> {
    if (this.#open.size < this.#options.maxOpenFiles) return;
    for (const file of this.#open) {
      // A file without a path cannot be opened again.
      if (file.goneMs !== undefined) continue;
      this.#open.delete(file);
      await file.close();
      return;
    }
  }
}
