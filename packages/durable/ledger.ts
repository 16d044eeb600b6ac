/**
 * The ledger: a small file beside a durable one that keeps account of it: whose it was, how much waited in it, how its latest
 * users ended, and what of it was lost. So that one that was emptied, deleted or damaged is told from one that is new.
 *
 * Invariants: written whole or not at all (durable-file.ts); what is read back has its checksum; a loss stays until a
 * person says that it is known; the list of losses is bounded, their count is not. A loss that is announced is counted once, and
 * only when the file that it speaks of took its place (file-replacement.ts).
 */
import { createHash } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { fileProblem } from '@sluice/host/file-problem';
import { readDurableFile, writeDurableFile } from './durable-file.ts';
import type { Loss, LossTotals } from './loss.ts';

/** Losses that are kept one by one; when a disk loses more often, the count says it. */
const MAX_LOSSES = 50;
const LEDGER_FORMAT = 1;

interface LedgerContent<State> {
  readonly format: number;
  /** Null when a loss was announced before the owner ever noted anything. */
  readonly state: State | null;
  readonly failedStarts: number;
  readonly notedMs: number;
  readonly losses: readonly Loss[];
  readonly totals: LossTotals;
  /** Not in `losses`: whether it is one is seen from the files. */
  readonly announced?: Loss;
}

/** What the ledger said when it was opened. */
export type FoundLedger<State> =
  | { readonly kind: 'absent' }
  /** There is one, and it cannot be read. */
  | { readonly kind: 'damaged' }
  | {
      readonly kind: 'read';
      readonly state: State | undefined;
      /** Starts in a row that ended soon, and not in order. */
      readonly failedStarts: number;
      readonly notedMs: number;
    };

export interface LedgerOptions<State> {
  readonly file: string;
  /** For the reader: "the ledger of the queue". */
  readonly what: string;
  /** The state as it was written, or undefined when this is none. */
  readonly parse: (value: unknown) => State | undefined;
}

export class Ledger<State> {
  readonly found: FoundLedger<State>;
  readonly #options: LedgerOptions<State>;
  #losses: readonly Loss[] = [];
  #totals: LossTotals = { losses: 0, blocks: 0 };
  #announced: Loss | undefined;

  /** @throws SluiceError `config_invalid` when the file cannot be read */
  constructor(options: LedgerOptions<State>) {
    this.#options = options;
    let text: string | undefined;
    try {
      text = readDurableFile(options.file);
    } catch (error) {
      throw fileProblem(options.what, options.file, error);
    }
    const content = text === undefined ? undefined : decode(text, options.parse);
    if (content === undefined) {
      this.found = text === undefined ? { kind: 'absent' } : { kind: 'damaged' };
      return;
    }
    const { state, failedStarts, notedMs, losses, totals, announced } = content;
    this.found = { kind: 'read', state: state ?? undefined, failedStarts, notedMs };
    this.#losses = losses;
    this.#totals = totals;
    this.#announced = announced;
  }

  /** What its owner noted last; undefined when that cannot be read, or never was. */
  get state(): State | undefined {
    return this.found.kind === 'read' ? this.found.state : undefined;
  }

  get failedStarts(): number {
    return this.found.kind === 'read' ? this.found.failedStarts : 0;
  }

  /** What was lost and not acknowledged, the oldest first. */
  get losses(): readonly Loss[] {
    return this.#losses;
  }

  get totals(): LossTotals {
    return this.#totals;
  }

  /** A loss that was announced, and neither counted nor taken back since. */
  get announced(): Loss | undefined {
    return this.#announced;
  }

  /**
   * Writes that this will be lost when the files have changed places. After a crash, who reads it looks at the files.
   *
   * @throws SluiceError `disk_full`, `config_invalid`
   */
  announce(loss: Loss): void {
    this.#announced = loss;
    this.#write(this.#foundContent());
  }

  /** The files did not change places: nothing was lost yet. @throws SluiceError `disk_full`, `config_invalid` */
  takeBack(): void {
    this.#announced = undefined;
    this.#write(this.#foundContent());
  }

  /** The files have changed places: counts what was announced; written with the next note. */
  countAnnounced(): void {
    if (this.#announced === undefined) return;
    this.addLoss(this.#announced);
    this.#announced = undefined;
  }

  /** Adds a loss; written with the next note. */
  addLoss(loss: Loss): void {
    this.#losses = [...this.#losses, loss].slice(-MAX_LOSSES);
    this.#totals = { losses: this.#totals.losses + 1, blocks: this.#totals.blocks + loss.blocks };
  }

  /** A person knows of all losses; written with the next note. */
  acknowledge(): void {
    this.#losses = [];
    this.#totals = { losses: 0, blocks: 0 };
  }

  /**
   * Writes the ledger.
   *
   * @param failedStarts with the first note after a start, how many there were that failed, this one among them; with a later
   *   one, or at an end in order, 0
   * @throws SluiceError `disk_full`, `config_invalid`
   */
  note(state: State, failedStarts = 0): void {
    this.#write({ state, failedStarts, notedMs: Date.now() });
  }

  #foundContent(): Pick<LedgerContent<State>, 'state' | 'failedStarts' | 'notedMs'> {
    if (this.found.kind !== 'read') return { state: null, failedStarts: 0, notedMs: Date.now() };
    const { state = null, failedStarts, notedMs } = this.found;
    return { state, failedStarts, notedMs };
  }

  #write(noted: Pick<LedgerContent<State>, 'state' | 'failedStarts' | 'notedMs'>): void {
    const content: LedgerContent<State> = {
      format: LEDGER_FORMAT,
      ...noted,
      losses: this.#losses,
      totals: this.#totals,
      ...(this.#announced === undefined ? {} : { announced: this.#announced }),
    };
    const text = JSON.stringify(content);
    try {
      writeDurableFile(this.#options.file, `${text}\n${checksum(text)}\n`);
    } catch (error) {
      throw fileProblem(this.#options.what, this.#options.file, error);
    }
  }
}

/** Versions up to 0.1 called a ledger otherwise. Throws what the file system says. */
export function renameFormerLedger(former: string, file: string): void {
  if (existsSync(former) && !existsSync(file)) renameSync(former, file);
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function decode<State>(
  text: string,
  parse: (value: unknown) => State | undefined,
): LedgerContent<State> | undefined {
  const [json = '', sum] = text.split('\n');
  if (checksum(json) !== sum) return undefined;
  // Its checksum says that we wrote it; a later version may have written more, and another state.
  const content = JSON.parse(json) as LedgerContent<unknown>;
  if (content.format !== LEDGER_FORMAT) return undefined;
  if (content.state === null) return { ...content, state: null };
  const state = parse(content.state);
  return state === undefined ? undefined : { ...content, state };
}
