/**
 * A small file beside a durable one that says what the large one was: whose, how much waited in it, how its latest users
 * ended, and what of it was lost. So that one that was emptied, deleted or damaged is told from one that is new.
 *
 * Invariants: written whole or not at all (durable-file.ts); what is read back has its checksum; a loss stays until a
 * person says that it is known; the list of losses is bounded, their count is not.
 */
import { createHash } from 'node:crypto';
import { fileProblem } from '@sluice/host/file-problem';
import { readDurableFile, writeDurableFile } from './durable-file.ts';

/** Losses that are kept one by one; when a disk loses more often, the count says it. */
const MAX_LOSSES = 50;
const MARK_FORMAT = 1;

/** Something accepted that is not there any more. */
export interface Loss {
  readonly atMs: number;
  /** `lost`: all of it was gone. `damaged`: a part could not be read. */
  readonly kind: 'lost' | 'damaged';
  /** Blocks that are missing, as far as that can be known. */
  readonly blocks: number;
  /** One or two sentences: what was found, what is missing, what was kept. */
  readonly message: string;
}

/** Of all losses that nobody has acknowledged. */
export interface LossTotals {
  readonly losses: number;
  readonly blocks: number;
}

interface MarkContent<State> {
  readonly format: number;
  readonly state: State;
  readonly failedStarts: number;
  readonly notedMs: number;
  readonly losses: readonly Loss[];
  readonly totals: LossTotals;
}

/** What the mark said when it was opened. */
export type FoundMark<State> =
  | { readonly kind: 'absent' }
  /** There is one, and it cannot be read. */
  | { readonly kind: 'damaged' }
  | {
      readonly kind: 'read';
      readonly state: State;
      /** Starts in a row that ended soon, and not in order. */
      readonly failedStarts: number;
      readonly notedMs: number;
    };

export interface MarkOptions<State> {
  readonly file: string;
  /** For the reader: "the mark of the queue". */
  readonly what: string;
  /** The state as it was written, or undefined when this is none. */
  readonly parse: (value: unknown) => State | undefined;
}

export class DurableMark<State> {
  readonly found: FoundMark<State>;
  readonly #options: MarkOptions<State>;
  #losses: readonly Loss[] = [];
  #totals: LossTotals = { losses: 0, blocks: 0 };

  /** @throws SluiceError `config_invalid` when the file cannot be read */
  constructor(options: MarkOptions<State>) {
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
    const { state, failedStarts, notedMs, losses, totals } = content;
    this.found = { kind: 'read', state, failedStarts, notedMs };
    this.#losses = losses;
    this.#totals = totals;
  }

  /** What was lost and not acknowledged, the oldest first. */
  get losses(): readonly Loss[] {
    return this.#losses;
  }

  get totals(): LossTotals {
    return this.#totals;
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
   * Writes the mark.
   *
   * @param failedStarts with the first note after a start, how many there were that failed, this one among them; with a later
   *   one, or at an end in order, 0
   * @throws SluiceError `disk_full`, `config_invalid`
   */
  note(state: State, failedStarts = 0): void {
    const content: MarkContent<State> = {
      format: MARK_FORMAT,
      state,
      failedStarts,
      notedMs: Date.now(),
      losses: this.#losses,
      totals: this.#totals,
    };
    const text = JSON.stringify(content);
    try {
      writeDurableFile(this.#options.file, `${text}\n${checksum(text)}\n`);
    } catch (error) {
      throw fileProblem(this.#options.what, this.#options.file, error);
    }
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function decode<State>(
  text: string,
  parse: (value: unknown) => State | undefined,
): MarkContent<State> | undefined {
  const [json = '', sum] = text.split('\n');
  if (checksum(json) !== sum) return undefined;
  // Its checksum says that we wrote it; a later version may have written more, and another state.
  const content = JSON.parse(json) as MarkContent<unknown>;
  const state = parse(content.state);
  return content.format === MARK_FORMAT && state !== undefined ? { ...content, state } : undefined;
}
