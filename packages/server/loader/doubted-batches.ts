/**
 * Batches of one block each that the store refuses for a reason that may be theirs or the store's own. They wait aside, so
 * that they hold up no other, until it is clear whose fault it is: a store that has taken something else since, and says no
 * to this one again, means this one.
 *
 * Invariants: a batch leaves when the store has it, or when it is set aside; while the store takes nothing at all, nothing is
 * set aside. The batches are in the journal, which bounds them.
 */
import { SluiceError } from '@sluice/base/error';
import type { JournalBatch } from '../journal/journal-records.ts';
import type { Refusal } from './batch-store.ts';
import type { LoaderProblem } from './retrying.ts';

interface Doubted {
  readonly batch: JournalBatch;
  readonly sinceMs: number;
  readonly reason: string;
  readonly attempts: number;
  /** What the store had confirmed when it was refused. */
  readonly confirmations: number;
}

export interface DoubtedOptions {
  /** How many inserts the store has confirmed. */
  readonly confirmations: () => number;
  /** One attempt: the refusal, or undefined when the store has the batch. Throws when nothing is known. */
  readonly attempt: (batch: JournalBatch) => Promise<Refusal | undefined>;
  readonly setAside: (batch: JournalBatch, reason: string) => Promise<void>;
}

export class DoubtedBatches {
  readonly #options: DoubtedOptions;
  #doubted: Doubted[] = [];

  constructor(options: DoubtedOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#doubted.length === 0;
  }

  /** Why the oldest is not in the store. */
  get problem(): LoaderProblem | undefined {
    const [oldest] = this.#doubted;
    if (oldest === undefined) return undefined;
    const { batch, sinceMs, attempts, reason } = oldest;
    return { lane: batch.lane, sinceMs, attempts, error: new SluiceError('insert_refused', reason) };
  }

  add(batch: JournalBatch, reason: string): void {
    const confirmations = this.#options.confirmations();
    this.#doubted.push({ batch, sinceMs: Date.now(), reason, attempts: 1, confirmations });
  }

  /** Tries each once more. Ends early, without an error, when the store does not answer as it should. */
  async retry(): Promise<void> {
    const { confirmations, attempt, setAside } = this.#options;
    const left: Doubted[] = [];
    const doubted = this.#doubted;
    // One after the other: what one of them brings about, the next one sees.
    for (const [index, entry] of doubted.entries()) {
      let refusal: Refusal | undefined;
      try {
        refusal = await attempt(entry.batch);
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        left.push(...doubted.slice(index));
        break;
      }
      if (refusal === undefined) continue;
      if (refusal.isCertain || confirmations() > entry.confirmations)
        await setAside(entry.batch, refusal.reason);
      else left.push({ ...entry, reason: refusal.reason, attempts: entry.attempts + 1 });
    }
    this.#doubted = left;
  }
}
