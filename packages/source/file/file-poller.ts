/**
 * Looks between walks at the files with recent activity: what grew gets a turn, a line that nobody ends is handed out, and a
 * file that is gone and read to its end is let go.
 */
import { stat } from 'node:fs/promises';
import type { FileAttention } from './file-attention.ts';
import type { FollowedFile } from './followed-file.ts';

/** How long a file without news is looked at. */
const ACTIVE_MS = 10_000;

export interface FilePollerOptions {
  readonly attention: FileAttention;
  readonly intervalMs: number;
  /** What is not whole counts as whole when nothing came for this long. */
  readonly flushAfterMs: number;
  /** A removed or renamed file stays open this long after its last bytes: its writer may not know yet. */
  readonly rotationWaitMs: number;
  /** The file whose turn it is, which is left alone. */
  readonly current: () => FollowedFile | undefined;
  /** Whether the host wants more. */
  readonly mayHandOut: () => boolean;
  /** What its consumer held back is a record now. */
  readonly onFinished: (file: FollowedFile) => void;
  /** A gone file was read to its end, or can never be. @param links names that it still has */
  readonly letGo: (file: FollowedFile, links: number) => Promise<void>;
}

export class FilePoller {
  readonly #options: FilePollerOptions;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #stopped = false;

  constructor(options: FilePollerOptions) {
    this.#options = options;
  }

  /** Looks again after the interval, as long as there is something to look at. */
  schedule(): void {
    const { attention, intervalMs } = this.#options;
    if (this.#stopped || this.#timer !== undefined || attention.active.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#polling = this.#poll().finally(() => {
        this.#polling = undefined;
        this.#timer = undefined;
        this.schedule();
      });
    }, intervalMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#polling;
  }

  async #poll(): Promise<void> {
    const nowMs = Date.now();
    for (const file of [...this.#options.attention.active]) {
      if (this.#stopped) return;
      if (this.#isBusy(file)) continue;
      await this.#pollFile(file, nowMs);
    }
  }

  #isBusy(file: FollowedFile): boolean {
    return this.#options.attention.isReady(file) || file === this.#options.current();
  }

  async #pollFile(file: FollowedFile, nowMs: number): Promise<void> {
    const { attention, flushAfterMs, rotationWaitMs, letGo, mayHandOut, onFinished } = this.#options;
    const handle = file.handle;
    const stats = await (handle === undefined ? stat(file.path) : handle.stat()).catch(() => undefined);
    if (stats !== undefined && stats.ino === file.inode) attention.compare(file, stats.size, stats.mtimeMs);
    if (this.#isBusy(file)) return;
    const quietMs = nowMs - Math.max(file.grownMs, file.goneMs ?? 0);
    if (stats === undefined && file.goneMs !== undefined) {
      // Neither a descriptor nor a path: nothing can be read. Its position stays for the case that it comes back.
      if (quietMs >= rotationWaitMs) await letGo(file, 1);
    } else if (file.hasUnfinishedLine) {
      if (nowMs - file.grownMs < flushAfterMs) return;
      file.flushWanted = true;
      attention.makeReady(file);
    } else if (file.consumer.heldFromBytes !== undefined) {
      if (nowMs - file.grownMs < flushAfterMs || !mayHandOut()) return;
      file.consumer.finish();
      onFinished(file);
    } else if (file.goneMs !== undefined) {
      if (quietMs >= rotationWaitMs) await letGo(file, stats?.nlink ?? 0);
    } else if (quietMs >= ACTIVE_MS) attention.rest(file);
  }
}
