/**
 * What the mark beside the journal's file says (packages/durable/durable-mark.ts), and when it is written.
 *
 * Invariants: at most one write in {@link MARK_INTERVAL_MS}; a mark that cannot be written stops nothing.
 */
import path from 'node:path';
import { DurableMark, type Loss, type LossTotals } from '@sluice/durable/durable-mark';
import { z } from 'zod';

export const MARK_FILE_NAME = 'journal.mark';
/** How often it is written while the journal changes: what happened since then is not in the numbers of a loss. */
const MARK_INTERVAL_MS = 10_000;

export interface JournalMarkState {
  /** Blocks that were accepted and not yet in the store. */
  readonly blocks: number;
}

export type JournalMark = DurableMark<JournalMarkState>;

const stateSchema: z.ZodType<JournalMarkState> = z.object({ blocks: z.int().min(0) });

/** @throws SluiceError `config_invalid` */
export function openJournalMark(directory: string): JournalMark {
  return new DurableMark({
    file: path.join(directory, MARK_FILE_NAME),
    what: 'the mark of the journal',
    parse: (value) => {
      const parsed = stateSchema.safeParse(value);
      return parsed.success ? parsed.data : undefined;
    },
  });
}

/** Keeps the mark true while the journal is open. */
export class JournalMarkKeeper {
  readonly #mark: JournalMark;
  readonly #blockCount: () => number;
  /** While it runs nothing is written. */
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  #closed = false;

  constructor(mark: JournalMark, blockCount: () => number) {
    this.#mark = mark;
    this.#blockCount = blockCount;
    this.#write((mark.found.kind === 'read' ? mark.found.failedStarts : 0) + 1);
  }

  get losses(): readonly Loss[] {
    return this.#mark.losses;
  }

  get lossTotals(): LossTotals {
    return this.#mark.totals;
  }

  /** The journal has changed. */
  changed(): void {
    this.#hasChanged = true;
    if (this.#timer === undefined) this.#write();
  }

  /** A person knows of all losses. @throws SluiceError `disk_full`, `config_invalid` */
  acknowledgeLosses(): void {
    this.#mark.acknowledge();
    this.#mark.note({ blocks: this.#blockCount() });
  }

  /** The journal's file is closed. */
  ended(): void {
    clearTimeout(this.#timer);
    this.#closed = true;
    this.#write();
  }

  #write(failedStarts = 0): void {
    this.#hasChanged = false;
    try {
      this.#mark.note({ blocks: this.#blockCount() }, failedStarts);
    } catch {
      // Blocks are on disk without it; what it would say better, the next one says. The disk itself is told elsewhere.
      this.#hasChanged = true;
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#hasChanged || failedStarts > 0) this.#write();
    }, MARK_INTERVAL_MS);
    this.#timer.unref();
  }
}
