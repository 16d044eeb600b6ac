/**
 * Keeps the ledger beside a durable file true: writes it at the start, now and then while the file changes, and at the end.
 *
 * Invariants: at most one write in {@link LEDGER_INTERVAL_MS}; a ledger that cannot be written (a full disk) stops nothing, and
 * is written later.
 */
import type { Ledger } from './ledger.ts';
import type { Loss, LossTotals } from './loss.ts';

/** How often it is written while the file changes: what happened since then is not in the numbers of a loss. */
export const LEDGER_INTERVAL_MS = 10_000;

export class LedgerKeeper<State> {
  readonly #ledger: Ledger<State>;
  readonly #state: () => State;
  /** While it runs nothing is written. */
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  /** What is written when the file is closed. */
  #last: State | undefined;

  /** @param state what the ledger says of the file now; not asked any more once it is stopped */
  constructor(ledger: Ledger<State>, state: () => State) {
    this.#ledger = ledger;
    this.#state = state;
    this.#write(ledger.failedStarts + 1);
  }

  get losses(): readonly Loss[] {
    return this.#ledger.losses;
  }

  get lossTotals(): LossTotals {
    return this.#ledger.totals;
  }

  /** The file has changed. */
  changed(): void {
    this.#hasChanged = true;
    if (this.#timer === undefined) this.#write();
  }

  /** Something of the file is gone: noted at once. */
  lost(loss: Loss): void {
    this.#ledger.addLoss(loss);
    this.#write();
  }

  /** A person knows of all losses. @throws SluiceError `disk_full`, `config_invalid` */
  acknowledgeLosses(): void {
    this.#ledger.acknowledge();
    this.#ledger.note(this.#state());
  }

  /** The file will be closed: it is looked into for the last time. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#last = this.#state();
  }

  /** The file is closed. */
  ended(): void {
    this.#write();
  }

  #write(failedStarts = 0): void {
    this.#hasChanged = false;
    try {
      this.#ledger.note(this.#last ?? this.#state(), failedStarts);
    } catch {
      // Blocks are on disk without it; what it would say better, the next one says. The disk itself is told elsewhere.
      this.#hasChanged = true;
    }
    clearTimeout(this.#timer);
    if (this.#last !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#hasChanged || failedStarts > 0) this.#write();
    }, LEDGER_INTERVAL_MS);
    this.#timer.unref();
  }
}
