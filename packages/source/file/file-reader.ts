/**
 * The *read* loop: takes files with something to read in turn, one piece each, so that a huge file never holds up the others.
 *
 * Invariants: one turn is in progress at a time; no more than `maxOpenFiles` descriptors, but for files that were removed or
 * renamed away and not read to their end; with nothing to read, nothing runs.
 */
import { messageOf } from '@sluice/base/error';
import { Moments } from '../moments.ts';
import type { FileAttention } from './file-attention.ts';
import { type FollowedFile, type OpenFile, READ_BYTES } from './followed-file.ts';
import type { FollowedFiles } from './followed-files.ts';

export interface FileReaderOptions {
  readonly files: FollowedFiles;
  readonly attention: FileAttention;
  readonly maxOpenFiles: number;
  readonly openFile: OpenFile;
  /** Whether another piece may be read now; {@link FileReader.wake} says that it may again. */
  readonly mayRead: () => boolean;
  readonly afterLine: (lineBytes: number) => void;
  /** After each turn. */
  readonly afterTurn: () => void;
  /** A path names another file than the one that was to be read. */
  readonly onReplaced: () => void;
}

export class FileReader {
  readonly #options: FileReaderOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  /** Files with a descriptor, least recently used first. */
  readonly #open = new Set<FollowedFile>();
  readonly #moments = new Moments();
  #current: FollowedFile | undefined;
  #paused = false;
  #stopped = false;
  #loop: Promise<void> | undefined;
  #wake: () => void = () => undefined;

  constructor(options: FileReaderOptions) {
    this.#options = options;
  }

  /** The file whose turn it is. */
  get current(): FollowedFile | undefined {
    return this.#current;
  }

  /** Nothing is read now because more is not wanted. */
  get isPaused(): boolean {
    return this.#paused;
  }

  get openFileCount(): number {
    return this.#open.size;
  }

  start(): void {
    this.#loop = this.#readLoop();
  }

  /** Ends after the piece in progress. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#loop;
    this.#open.clear();
  }

  /** There is something to read, or it may be read again. */
  wake(): void {
    this.#wake();
  }

  /** The file is followed no longer; its descriptor is its own. */
  forget(file: FollowedFile): void {
    this.#open.delete(file);
  }

  async #readLoop(): Promise<void> {
    const { attention, mayRead, afterTurn } = this.#options;
    while (!this.#stopped) {
      this.#paused = !mayRead();
      const file = this.#paused ? undefined : attention.takeReady();
      if (file === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      await this.#turn(file);
      afterTurn();
    }
  }

  async #turn(file: FollowedFile): Promise<void> {
    const { files, attention, openFile, afterLine, onReplaced } = this.#options;
    const before = file.position.offsetBytes;
    const fingerprint = file.fingerprint;
    this.#current = file;
    try {
      if (file.handle === undefined) await this.#makeRoomForDescriptor();
      const outcome = await file.turn(this.#buffer, openFile, this.#moments.next(Date.now()), afterLine);
      if (file.handle !== undefined) {
        this.#open.delete(file);
        this.#open.add(file);
      }
      if (outcome === 'more') attention.enqueue(file);
      if (outcome === 'replaced') onReplaced();
      else file.progress.succeeded();
    } catch (error) {
      await this.#turnFailed(file, error);
    } finally {
      this.#current = undefined;
    }
    file.noteProgress(Date.now());
    if (file.position.offsetBytes !== before || file.fingerprint !== fingerprint) files.markChanged(file);
    files.updateFirstStart();
  }

  async #turnFailed(file: FollowedFile, error: unknown): Promise<void> {
    this.#open.delete(file);
    await file.close().catch(() => undefined);
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return;
    file.progress.failed(messageOf(error), Date.now());
    // Tried again at the next look.
    file.modifiedMs = 0;
    this.#options.attention.rest(file);
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
