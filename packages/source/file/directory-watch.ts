/**
 * Hints from the operating system that something changed, so that new bytes are noticed at once. Only hints: polling
 * finds everything without them, so directories beyond the bound and file systems without events lose nothing but
 * latency.
 *
 * Invariant: never more than {@link MAX_WATCHED_DIRECTORIES} watches; a watch that fails is dropped silently.
 */
import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';

/** Watches are a resource of the whole user (often 8192 in all); log directories with activity are few. */
const MAX_WATCHED_DIRECTORIES = 128;

export class DirectoryWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #onChange: (file: string) => void;
  readonly #onRename: () => void;

  /**
   * @param onChange the file at this path changed.
   * @param onRename names in a watched directory changed.
   */
  constructor(onChange: (file: string) => void, onRename: () => void) {
    this.#onChange = onChange;
    this.#onRename = onRename;
  }

  /** Watches these directories and no other ones. */
  update(directories: Iterable<string>): void {
    const wanted = new Set<string>();
    for (const directory of directories) {
      if (wanted.size >= MAX_WATCHED_DIRECTORIES) break;
      wanted.add(directory);
    }
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) if (!this.#watchers.has(directory)) this.#add(directory);
  }

  close(): void {
    this.update([]);
  }

  #add(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, (event, name) => {
        if (event === 'rename' || name === null) this.#onRename();
        if (name !== null) this.#onChange(path.join(directory, name));
      });
      watcher.on('error', () => this.#drop(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      // No watch here (limit reached, or the directory is gone): polling does it.
      this.#drop(directory);
    }
  }

  #drop(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
