/**
 * What the scripted peers of one check heard, in the order of arrival over all of them, and waiting for it.
 *
 * Invariants: a happening is noted in the same turn of the event loop in which its last byte was read, so the order of two
 * on one connection is the order on the wire; a wait ends at the latest after its time.
 */

/** What was heard, for people: `S2 block 7/3 on g1/1`. */
export interface Happening {
  /** Milliseconds since the check began. */
  readonly atMs: number;
  readonly text: string;
}

/** Most happenings that are kept: a check has some hundred; one that hammers must not fill the memory. */
const MAX_HAPPENINGS = 100_000;

export class Timeline {
  readonly #startMs: number = performance.now();
  readonly #happenings: Happening[] = [];
  readonly #waiters = new Set<() => void>();

  /** Milliseconds since the check began. */
  nowMs(): number {
    return performance.now() - this.#startMs;
  }

  get latest(): readonly Happening[] {
    return this.#happenings;
  }

  note(text: string): void {
    if (this.#happenings.length < MAX_HAPPENINGS) this.#happenings.push({ atMs: this.nowMs(), text });
    for (const wake of this.#waiters) wake();
  }

  /** Waits until the condition holds, looked at after each happening. @returns false when the time is over before */
  until(condition: () => boolean, withinMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (holds: boolean): void => {
      clearTimeout(timer);
      this.#waiters.delete(look);
      resolve(holds);
    };
    const look = (): void => {
      if (condition()) end(true);
    };
    const timer = setTimeout(() => end(condition()), withinMs);
    this.#waiters.add(look);
    return promise;
  }

  /** Lets so many milliseconds pass. */
  pass(forMs: number): Promise<boolean> {
    return this.until(() => false, forMs);
  }
}
