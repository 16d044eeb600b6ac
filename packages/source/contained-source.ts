/**
 * Contains what a source does against the contract (source.ts), so that the others, and the cuts of all, go on: what it throws,
 * calls that do not end, and positions that cannot be kept. What was wrong last is told as a problem and as a state until the agent
 * ends.
 *
 * Invariants: no call throws, but for a start that the source itself refuses in words for people (SluiceError); no call takes longer
 * than its patience; every position that is returned can be kept.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, SluiceError } from '@sluice/base/error';
import type { CheckpointChange } from './checkpoint-change.ts';
import type { Source } from './source.ts';
import { mergeStates, type SourceState, type SourceStates } from './source-states.ts';

/** A first look at very many files takes seconds; the others need not wait for what takes longer. */
const START_PATIENCE_MS = 30_000;
/** A piece that is being read ends in far less; then the rest of the agent is stopped, and the process ends. */
const STOP_PATIENCE_MS = 10_000;
/** LMDB has keys of up to 1978 bytes; this is in characters, of which one may be three bytes. */
const MAX_KEY_LENGTH = 512;
/** A position is a few numbers and names. All of them are kept in the ledger too. */
const MAX_VALUE_LENGTH: number = 64 * 1024;

export interface ContainedSourceOptions {
  /** Told once in a row of the same fault. Must not throw. */
  readonly onFault: (kind: string, reason: string) => void;
  readonly startPatienceMs?: number;
  readonly stopPatienceMs?: number;
}

interface Fault {
  readonly reason: string;
  readonly sinceMs: number;
}

export class ContainedSource implements Source {
  readonly kind: string;
  readonly canWait: boolean;
  readonly #source: Source;
  readonly #options: ContainedSourceOptions;
  #fault: Fault | undefined;

  constructor(source: Source, options: ContainedSourceOptions) {
    this.#source = source;
    this.#options = options;
    this.kind = source.kind;
    this.canWait = source.canWait;
  }

  /** @throws SluiceError what the source says to people */
  async start(): Promise<void> {
    try {
      await this.#within(
        'start',
        () => this.#source.start(),
        this.#options.startPatienceMs ?? START_PATIENCE_MS,
      );
    } catch (error) {
      if (error instanceof SluiceError) throw error;
      this.#failed(`it cannot start: ${messageOf(error)}`);
    }
  }

  async stop(): Promise<void> {
    try {
      await this.#within('stop', () => this.#source.stop(), this.#options.stopPatienceMs ?? STOP_PATIENCE_MS);
    } catch (error) {
      this.#failed(`it cannot stop: ${messageOf(error)}`);
    }
  }

  resume(): void {
    this.#contain(undefined, () => this.#source.resume());
  }

  get hasCheckpoints(): boolean {
    return this.#contain(false, () => this.#source.hasCheckpoints);
  }

  /** Of what cannot be kept nothing is kept: the records behind the last good position come again after a restart. */
  takeCheckpoints(): CheckpointChange[] {
    const changes = this.#contain([], () => this.#source.takeCheckpoints());
    return changes.filter((change) => this.#contain(false, () => this.#canBeKept(change)));
  }

  get unreadBytes(): number {
    const bytes = this.#contain(0, () => this.#source.unreadBytes);
    return bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER ? bytes : 0;
  }

  problems(): string[] {
    const problems = this.#contain([], () => this.#source.problems());
    return this.#fault === undefined ? problems : [`${this.#told}: ${this.#fault.reason}`, ...problems];
  }

  states(pausedWhy: string): SourceStates {
    const states = this.#contain(mergeStates([]), () => this.#source.states(pausedWhy));
    return this.#fault === undefined ? states : mergeStates([states, this.#failing(this.#fault)]);
  }

  get #told(): string {
    return `an error of the agent in its source of the kind ${this.kind}`;
  }

  #failing({ reason, sinceMs }: Fault): SourceStates {
    const state: SourceState = {
      ...{ kind: this.kind, name: this.kind, condition: 'failing', reason: `${this.#told}: ${reason}` },
      forMs: Math.round(performance.now() - sinceMs),
      ...{ unreadBytes: 0, unparsedRecords: 0, failedRecords: 0, readErrors: 0 },
    };
    return { ...mergeStates([]), failing: 1, worst: [state] };
  }

  #canBeKept({ key, value }: CheckpointChange): boolean {
    if (key === '' || key.length > MAX_KEY_LENGTH)
      throw new Error(`it gave a position a key of ${key.length} characters`);
    // Throws for what JSON cannot say.
    const text = value === undefined ? '' : JSON.stringify(value);
    if (text === undefined) throw new Error(`it gave a position that is a ${typeof value}`);
    if (text.length > MAX_VALUE_LENGTH) throw new Error(`it gave a position of ${text.length} characters`);
    return true;
  }

  async #within(what: string, call: () => Promise<void>, patienceMs: number): Promise<void> {
    const over = new AbortController();
    const late = sleep(patienceMs, 'late' as const, { signal: over.signal }).catch(() => 'over' as const);
    const called = Promise.try(call);
    // One that fails after it was given up is told too.
    called.catch((error: unknown) => this.#failed(messageOf(error)));
    try {
      if ((await Promise.race([called, late])) === 'late')
        this.#failed(`its ${what} took longer than ${patienceMs} ms`);
    } finally {
      over.abort();
    }
  }

  #contain<T>(otherwise: T, call: () => T): T {
    try {
      return call();
    } catch (error) {
      this.#failed(messageOf(error));
      return otherwise;
    }
  }

  #failed(reason: string): void {
    if (this.#fault?.reason === reason) return;
    this.#fault = { reason, sinceMs: this.#fault?.sinceMs ?? performance.now() };
    this.#options.onFault(this.kind, reason);
  }
}
