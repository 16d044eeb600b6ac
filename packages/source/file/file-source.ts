/**
 * Follows files: finds them, decides whose turn it is, and hands their lines out.
 *
 * Two loops run side by side: the look loop (file-looker.ts) and the read loop (file-reader.ts). Between looks, files with
 * recent activity are polled (file-poller.ts), and hints of the operating system wake all of them.
 *
 * Invariant: with nothing to read, nothing runs but the look loop.
 */
import path from 'node:path';
import type { CheckpointChange } from '../checkpoint-change.ts';
import type { Source, SourceHost } from '../source.ts';
import type { SourceStates } from '../source-states.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { FileAttention } from './file-attention.ts';
import { FILE_KIND, FileBook } from './file-book.ts';
import { FileLooker } from './file-looker.ts';
import { FilePoller } from './file-poller.ts';
import { FileReader } from './file-reader.ts';
import { directoryIdentities } from './file-system-facts.ts';
import { type FollowedFile, type OpenFile, openForReading } from './followed-file.ts';
import { FollowedFiles } from './followed-files.ts';
import { GlobWalker } from './glob-walk.ts';

/** How often the patterns are walked: a new file is noticed within this, without any hint. */
const LOOK_INTERVAL_MS = 1000;
/** How often files with recent activity are looked at between walks. */
const POLL_INTERVAL_MS = 200;
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

export class FileSource implements Source {
  readonly kind: string = FILE_KIND;
  readonly canWait: boolean = true;
  readonly #host: SourceHost;
  readonly #files: FollowedFiles;
  readonly #book = new FileBook();
  readonly #attention: FileAttention;
  readonly #reader: FileReader;
  readonly #poller: FilePoller;
  readonly #looker: FileLooker;
  readonly #watch: DirectoryWatch;
  readonly #hinted = new Set<FollowedFile>();
  #hintTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: FileSourceOptions, host: SourceHost) {
    this.#host = host;
    this.#files = new FollowedFiles(host, Date.now());
    this.#attention = new FileAttention({
      onReady: () => this.#reader.wake(),
      onActive: () => this.#poller.schedule(),
    });
    this.#reader = new FileReader({
      files: this.#files,
      attention: this.#attention,
      maxOpenFiles: options.maxOpenFiles ?? MAX_OPEN_FILES,
      openFile: options.openFile ?? openForReading,
      mayRead: () => host.mayHandOut(),
      afterLine: (lineBytes) => host.afterRecord(lineBytes),
      afterTurn: () => host.afterTurn(),
      onReplaced: () => this.#looker.lookSoon(),
    });
    const current = (): FollowedFile | undefined => this.#reader.current;
    this.#poller = new FilePoller({
      attention: this.#attention,
      intervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      flushAfterMs: options.flushAfterMs ?? DEFAULT_FLUSH_AFTER_MS,
      rotationWaitMs: options.rotationWaitMs ?? DEFAULT_ROTATION_WAIT_MS,
      current,
      mayHandOut: () => host.mayHandOut(),
      onFinished: (file) => this.#changed(file),
      letGo: (file, links) => this.#letGo(file, links),
    });
    const ownDirectories = options.ownDirectories ?? [];
    this.#looker = new FileLooker({
      walker: new GlobWalker(options.include, options.exclude ?? [], () =>
        directoryIdentities(ownDirectories),
      ),
      files: this.#files,
      attention: this.#attention,
      book: this.#book,
      fromStart: options.fromStart ?? false,
      intervalMs: options.lookIntervalMs ?? LOOK_INTERVAL_MS,
      current,
      forget: (file) => this.#forget(file),
      onLooked: (directories) => this.#looked(directories),
    });
    this.#watch = new DirectoryWatch(
      (file) => this.#hintChanged(file),
      () => this.#looker.lookSoon(),
    );
  }

  /** Looks once, then reads and follows in the background. Resolves after the first look. */
  async start(): Promise<void> {
    await this.#looker.start();
    this.#reader.start();
  }

  /** Ends reading after the piece in progress and closes all files. Lines without an end stay unread. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#hintTimer);
    this.#watch.close();
    await Promise.all([this.#reader.stop(), this.#looker.stop(), this.#poller.stop()]);
    await Promise.all([...this.#files.values()].map((file) => file.close()));
  }

  resume(): void {
    this.#reader.wake();
  }

  get hasCheckpoints(): boolean {
    return this.#files.hasChanges;
  }

  takeCheckpoints(): CheckpointChange[] {
    // A cut in the middle of a turn: the lines before it belong to the cut.
    const { current } = this.#reader;
    if (current !== undefined) this.#files.markChanged(current);
    return this.#files.takeChanges(Date.now());
  }

  /** Bytes on disk that were not read, as far as is known. */
  get unreadBytes(): number {
    let bytes = 0;
    for (const file of this.#files.values()) bytes += file.unreadBytes;
    return bytes;
  }

  get openFileCount(): number {
    return this.#reader.openFileCount;
  }

  /** What cannot be read now, one sentence each. */
  problems(): string[] {
    return this.#book.problems(this.#files.values());
  }

  states(pausedWhy: string): SourceStates {
    const why = this.#reader.isPaused ? pausedWhy : undefined;
    return this.#book.states(this.#files.values(), Date.now(), why, this.#reader.current);
  }

  #looked(walked: ReadonlySet<string>): void {
    const directories = new Set<string>();
    for (const file of this.#attention.active) directories.add(path.dirname(file.path));
    for (const file of this.#files.paths()) directories.add(path.dirname(file));
    for (const directory of walked) directories.add(directory);
    this.#watch.update(directories);
    if (this.hasCheckpoints) this.#host.afterTurn();
  }

  #changed(file: FollowedFile): void {
    this.#files.markChanged(file);
    this.#host.afterTurn();
  }

  #hintChanged(file: string): void {
    const followed = this.#files.atPath(file);
    if (followed === undefined || this.#stopped) return;
    this.#hinted.add(followed);
    this.#hintTimer ??= setTimeout(() => {
      this.#hintTimer = undefined;
      for (const hinted of this.#hinted)
        if (this.#files.get(hinted.key) === hinted) this.#attention.makeReady(hinted);
      this.#hinted.clear();
    }, HINT_DELAY_MS);
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
    if (file.consumer.heldFromBytes !== undefined) {
      file.consumer.finish();
      // Else the position that is kept would stay before what was finished.
      this.#files.markChanged(file);
    }
    this.#book.letGo(file);
    this.#files.remove(file, Date.now());
    this.#attention.forget(file);
    this.#reader.forget(file);
  }
}
