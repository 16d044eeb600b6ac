/**
 * Group commit: writes that wait while one commit is on its way to the disk share the next one, so that the cost of a
 * sync is paid once for all of them.
 *
 * Invariants: one commit at a time; the writes of a commit are atomic together; the most urgent waiting writes go
 * first, in order of arrival within a rank; no commit is larger than MAX_COMMIT_BYTES (but for one single larger
 * write), so that an urgent write never waits behind more than one such commit; a promise resolves only after
 * the commit was synced; when a commit of several fails, each of them gets a try of its own, so that one that
 * cannot be written takes no other down with it.
 */

/**
 * Payload bytes in one commit. Large enough that the sync is a small part of it (about 10 ms of writing on a plain SSD),
 * small enough that an urgent block that arrives meanwhile waits only about that long.
 */
export const MAX_COMMIT_BYTES: number = 8 * 1024 * 1024;

/** One write that waits for its commit. */
export interface PendingWrite<Write> {
  /** 0 goes first. */
  readonly rank: number;
  /** Bytes that it writes, for the bound of a commit. */
  readonly bytes: number;
  /** Puts it into the open transaction. Must not fail half way. */
  apply(write: Write): void;
  /** Takes back what `apply` changed in memory, after the commit failed. */
  revert?(): void;
}

/** Runs `writes` inside one transaction; resolves when it is synced to disk, rejects when nothing of it was written. */
type CommitFunction<Write> = (writes: (write: Write) => void) => Promise<void>;

interface Waiting<Write> {
  readonly write: PendingWrite<Write>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** @typeParam Write what a write uses to write */
export class GroupCommit<Write> {
  readonly #commit: CommitFunction<Write>;
  readonly #onCommitted: (durationMs: number, writeCount: number) => void;
  /** Waiting writes by rank. */
  readonly #waiting: Waiting<Write>[][] = [];
  #running: Promise<void> | undefined;

  constructor(commit: CommitFunction<Write>, onCommitted: (durationMs: number, writeCount: number) => void) {
    this.#commit = commit;
    this.#onCommitted = onCommitted;
  }

  /** Resolves when `write` is on disk; rejects with the error of its commit. */
  submit(write: PendingWrite<Write>): Promise<void> {
    const result = new Promise<void>((resolve, reject) => {
      let lane = this.#waiting[write.rank];
      if (lane === undefined) {
        lane = [];
        this.#waiting[write.rank] = lane;
      }
      lane.push({ write, resolve, reject });
    });
    this.#running ??= this.#run();
    return result;
  }

  /** Resolves when nothing waits and no commit is running. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Everything that is submitted in this turn of the event loop joins the first commit.
    await Promise.resolve();
    for (let group = this.#take(); group.length > 0; group = this.#take()) await this.#write(group);
    this.#running = undefined;
  }

  async #write(group: readonly Waiting<Write>[]): Promise<void> {
    const startMs = performance.now();
    try {
      await this.#commit((write) => {
        for (const waiting of group) waiting.write.apply(write);
      });
    } catch (error) {
      for (const waiting of group) waiting.write.revert?.();
      if (group.length === 1) group[0]?.reject(error);
      else for (const waiting of group) await this.#write([waiting]);
      return;
    }
    this.#onCommitted(performance.now() - startMs, group.length);
    for (const waiting of group) waiting.resolve();
  }

  #take(): Waiting<Write>[] {
    const group: Waiting<Write>[] = [];
    let bytes = 0;
    for (const lane of this.#waiting) {
      if (lane === undefined) continue;
      let count = 0;
      for (const waiting of lane) {
        if (group.length > 0 && bytes + waiting.write.bytes > MAX_COMMIT_BYTES) break;
        bytes += waiting.write.bytes;
        group.push(waiting);
        count += 1;
      }
      lane.splice(0, count);
      if (lane.length > 0) break;
    }
    return group;
  }
}
