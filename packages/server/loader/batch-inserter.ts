/**
 * One attempt to bring a batch into the store, bounded in time.
 *
 * Invariant: an attempt ends within `insertTimeoutMs`, whatever the store does; one that was given up may have been applied.
 */
import { SluiceError } from '@sluice/base/error';
import type { JournalBatch } from '../journal/journal-records.ts';
import { type BatchStore, type Refusal, refusalOf } from './batch-store.ts';

export interface BatchInserterOptions {
  readonly store: BatchStore;
  readonly columns: readonly string[];
  /** The body of a batch, always the same for the same batch. */
  readonly bodyOf: (batch: JournalBatch, signal: AbortSignal) => Buffer | Promise<Buffer>;
  /** Of all lanes: what the store has taken. */
  readonly confirmed: { inserts: number };
  readonly insertTimeoutMs: number;
}

export class BatchInserter {
  readonly #options: BatchInserterOptions;
  #attempt: AbortController | undefined;

  constructor(options: BatchInserterOptions) {
    this.#options = options;
  }

  /** Gives up the attempt that is under way. */
  abort(): void {
    this.#attempt?.abort();
  }

  /**
   * @returns why it was refused, or undefined when it is in the store
   * @throws SluiceError when nothing is known of it: to be called again
   */
  async insert(batch: JournalBatch): Promise<Refusal | undefined> {
    const { insertTimeoutMs, confirmed } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const timer = setTimeout(() => attempt.abort(), insertTimeoutMs);
    // A store that does not heed the signal must not hold the lane for ever.
    const ended = new Promise<never>((_, reject) => {
      attempt.signal.addEventListener('abort', () => {
        reject(
          new SluiceError('not_reachable', `the store did not confirm an insert in ${insertTimeoutMs} ms`),
        );
      });
    });
    try {
      await Promise.race([this.#send(batch, attempt.signal), ended]);
      confirmed.inserts += 1;
      return undefined;
    } catch (error) {
      const typed = SluiceError.from(error, 'store_failed');
      const refusal = refusalOf(typed);
      if (refusal === undefined) throw typed;
      return refusal;
    } finally {
      clearTimeout(timer);
      this.#attempt = undefined;
    }
  }
  async #send(batch: JournalBatch, signal: AbortSignal): Promise<void> {
    const { store, columns, bodyOf } = this.#options;
    await store.insertBlocks({
      columns,
      zstdBody: await bodyOf(batch, signal),
      deduplicationToken: batch.token,
      priority: batch.lane + 1,
      signal,
    });
  }
}
