/**
 * Which files want something: a turn (there is something to read), or a look now and then (something was read lately).
 *
 * Invariant: at most {@link MAX_ACTIVE_FILES} files are looked at between walks, and those that are gone, which only a look can
 * let go.
 */
import type { FollowedFile } from './followed-file.ts';

/** Files that are looked at between walks: beyond this many, the walk alone must do. */
const MAX_ACTIVE_FILES = 256;

/** Who is told of changes. */
export interface AttentionListener {
  /** A file has something to read. */
  readonly onReady: () => void;
  /** There is a file to look at. */
  readonly onActive: () => void;
}

export class FileAttention {
  readonly #listener: AttentionListener;
  /** Files with something to read, in the order of their turns. */
  readonly #ready = new Set<FollowedFile>();
  readonly #active = new Set<FollowedFile>();

  constructor(listener: AttentionListener) {
    this.#listener = listener;
  }

  /** Files that are looked at between walks. */
  get active(): ReadonlySet<FollowedFile> {
    return this.#active;
  }

  isReady(file: FollowedFile): boolean {
    return this.#ready.has(file);
  }

  /** Gives the file a turn behind those that have one, without a look. */
  enqueue(file: FollowedFile): void {
    this.#ready.add(file);
  }

  /** Takes out the file whose turn it is. */
  takeReady(): FollowedFile | undefined {
    for (const file of this.#ready) {
      this.#ready.delete(file);
      return file;
    }
    return undefined;
  }

  /** Gives the file a turn, and looks at it from now on. */
  makeReady(file: FollowedFile): void {
    this.#ready.add(file);
    this.activate(file);
    this.#listener.onReady();
  }

  /** Looks at the file between walks from now on, if there is room for one more. */
  activate(file: FollowedFile): void {
    if (this.#active.size < MAX_ACTIVE_FILES || file.goneMs !== undefined) this.#active.add(file);
    this.#listener.onActive();
  }

  /** The walk alone looks at the file from now on. */
  rest(file: FollowedFile): void {
    this.#active.delete(file);
  }

  forget(file: FollowedFile): void {
    this.#ready.delete(file);
    this.#active.delete(file);
  }

  /** Gives the file a turn when its size or time says that there is something to look for. */
  compare(file: FollowedFile, sizeBytes: number, modifiedMs: number): void {
    const news = sizeBytes !== file.endBytes || modifiedMs !== file.modifiedMs;
    file.sizeBytes = sizeBytes;
    file.modifiedMs = modifiedMs;
    file.noteProgress(Date.now());
    if (news && (sizeBytes > 0 || file.endBytes > 0)) this.makeReady(file);
  }
}
