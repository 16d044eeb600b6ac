/**
 * Whether reading of a file gets ahead: since when bytes wait, how old the oldest of them may be, what fails.
 *
 * Invariants: `waitingSinceMs` and `behindSinceMs` are set exactly while there is something to read; a read that succeeds
 * ends a failure.
 */

export class FileProgress {
  /** Since when bytes have waited without one of them being read. */
  waitingSinceMs: number | undefined;
  /** When the oldest byte that waits was seen first. */
  behindSinceMs: number | undefined;
  /** Why reading fails; empty while it does not. */
  failure = '';
  failingSinceMs: number | undefined;
  /** Failed attempts, in all. */
  readErrors = 0;
  #offsetBytes = 0;
  /** When the position is here, all that waited at `behindSinceMs` was read. */
  #behindToBytes = 0;

  /** Takes note of how far reading is and how much there is. */
  look(offsetBytes: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes <= offsetBytes) {
      this.waitingSinceMs = undefined;
      this.behindSinceMs = undefined;
    } else {
      if (this.waitingSinceMs === undefined || offsetBytes !== this.#offsetBytes) this.waitingSinceMs = nowMs;
      // A file that was cut and begins anew has less to read than it had.
      this.#behindToBytes = Math.min(this.#behindToBytes, sizeBytes);
      if (this.behindSinceMs === undefined || offsetBytes >= this.#behindToBytes) {
        this.behindSinceMs = nowMs;
        this.#behindToBytes = sizeBytes;
      }
    }
    this.#offsetBytes = offsetBytes;
  }

  failed(why: string, nowMs: number): void {
    this.readErrors += 1;
    this.failure = why;
    this.failingSinceMs ??= nowMs;
  }

  succeeded(): void {
    this.failure = '';
    this.failingSinceMs = undefined;
  }
}
