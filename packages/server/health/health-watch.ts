/**
 * Looks at the server's health again and again, so that "since" is true also when nobody asks, and answers who asks with a
 * look that is fresh.
 *
 * Invariant: looks come in order of time and not closer together than MIN_LOOK_INTERVAL_MS, however many ask.
 */
import { type DiskFacts, DiskWatch } from '@sluice/durable/disk-watch';
import type { TimeMs } from '@sluice/protocol/model';
import { Health, type HealthView } from './health.ts';
import type { HealthFacts } from './health-facts.ts';

/** Between two looks that nobody asked for; a problem's beginning is known this well. */
export const LOOK_INTERVAL_MS = 1_000;
/** A look goes over all blocks and agents: some milliseconds at most, spent at most this often. */
const MIN_LOOK_INTERVAL_MS = 250;

export interface HealthWatchOptions {
  /** Everything but the disk, which takes a system call that may hang. */
  readonly facts: () => Omit<HealthFacts, 'journal'> & {
    readonly journal: Omit<HealthFacts['journal'], 'disk'>;
  };
  readonly journalDirectory: string;
  /** Never goes back. */
  readonly now: () => TimeMs;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #health = new Health();
  readonly #timer: NodeJS.Timeout;
  readonly #disk: DiskWatch;
  #view: HealthView | undefined;

  /** Starts to look. */
  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#disk = new DiskWatch(options.journalDirectory);
    this.#timer = setInterval(() => {
      void this.#disk.look();
      this.view();
    }, LOOK_INTERVAL_MS);
    this.#timer.unref();
    void this.#disk.look();
  }

  /** The disk as it was seen last; undefined when it cannot be seen. */
  get disk(): DiskFacts | undefined {
    return this.#disk.latest;
  }

  /** How it stands now. */
  view(): HealthView {
    const nowMs = this.#options.now();
    if (this.#view !== undefined && nowMs - this.#view.atMs < MIN_LOOK_INTERVAL_MS) return this.#view;
    const facts = this.#options.facts();
    this.#view = this.#health.look(
      { ...facts, journal: { ...facts.journal, disk: this.#disk.latest } },
      nowMs,
    );
    return this.#view;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
