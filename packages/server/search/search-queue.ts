/**
 * Which searches may run now, which wait, and which are told to come again. Pure: the time comes with each call.
 *
 * Two kinds of turns: light ones, which only searches that cost little may take, and heavy ones. So a light search never
 * stands behind a heavy one, however many of these there are, and a flood of light ones leaves the heavy their turns. The
 * light go in order of arrival; of the heavy the shortest expected first, which serves most people soonest, and one turn
 * in {@link FAIR_TURN} goes to the one that waits longest, so that a long one is not passed for ever.
 *
 * Invariants:
 * - At most `lightTurns` and `heavyTurns` searches run, and no more wait than the limits say.
 * - No heavy search waits of which it is known when it comes that its turn will not come in `maxWaitMs`: it is refused at
 *   once. Once nine seconds later helps nobody, and hundreds that wait so cost the others their time.
 * - Nobody waits while a turn of its kind is free.
 * - Each search that is refused is told a time, and in a crowd each a later one than the one before: those who come again
 *   as they were told find room, instead of all coming at once.
 */

/** What a search is expected to cost: `light` when it ends within a fraction of a second. */
export type Weight = 'light' | 'heavy';

/** One heavy turn in this many goes to the longest waiter, whatever it costs. */
export const FAIR_TURN = 4;
/** Nobody is told to come again sooner: the answer itself takes its time. */
export const MIN_RETRY_MS = 1_000;
/** Nor later: what a server will have to do in more than a minute nobody knows. */
export const MAX_RETRY_MS = 60_000;
/** What a heavy search takes, until some have been seen. */
const FIRST_MEAN_MS = 1_000;
/** Share of the newest run in the mean: about the last ten count. */
const NEWEST_SHARE = 0.1;

export interface SearchQueueLimits {
  /** Light searches that run at once. */
  readonly lightTurns: number;
  /** Heavy searches that run at once. */
  readonly heavyTurns: number;
  readonly maxWaitingLight: number;
  readonly maxWaitingHeavy: number;
  /** Nobody waits longer. */
  readonly maxWaitMs: number;
}

export interface QueuedSearch {
  /** Unique among those that wait or run. */
  readonly id: number;
  readonly weight: Weight;
  /** A guess; orders the heavy ones. */
  readonly expectedMs: number;
  readonly arrivedMs: number;
}

export type Asked =
  | { readonly kind: 'runs' }
  | { readonly kind: 'waits' }
  | { readonly kind: 'busy'; readonly retryAfterMs: number };

interface Running {
  /** The kind of turn that it holds. */
  turn: Weight;
  readonly weight: Weight;
  readonly sinceMs: number;
}

export class SearchQueue {
  readonly #limits: SearchQueueLimits;
  readonly #running = new Map<number, Running>();
  readonly #held: Record<Weight, number> = { light: 0, heavy: 0 };
  /** In order of arrival. */
  readonly #waiting: Record<Weight, Map<number, QueuedSearch>> = { light: new Map(), heavy: new Map() };
  #heavyTurnsGiven = 0;
  /** Until one has been seen, a guess. */
  #meanHeavyMs: number | undefined;
  /** The latest time that somebody was told to come again at. */
  #latestReturnMs = Number.NEGATIVE_INFINITY;

  constructor(limits: SearchQueueLimits) {
    this.#limits = limits;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  get waitingCount(): number {
    return this.#waiting.light.size + this.#waiting.heavy.size;
  }

  /** Whether a search of this weight that asked now would run at once. */
  hasRoom(weight: Weight): boolean {
    return this.#waiting[weight].size === 0 && this.#freeTurn(weight) !== undefined;
  }

  /** Asks for a turn. Who `waits` is named by a later {@link release} or leaves. */
  ask(search: QueuedSearch, nowMs: number): Asked {
    const turn = this.hasRoom(search.weight) ? this.#freeTurn(search.weight) : undefined;
    if (turn !== undefined) {
      this.#start(search, turn, nowMs);
      return { kind: 'runs' };
    }
    const { maxWaitingLight, maxWaitingHeavy, maxWaitMs } = this.#limits;
    const most = search.weight === 'light' ? maxWaitingLight : maxWaitingHeavy;
    const waiting = this.#waiting[search.weight];
    const isLate = search.weight === 'heavy' && this.heavyWaitMs(nowMs, search.expectedMs) > maxWaitMs;
    if (isLate || waiting.size >= most) return { kind: 'busy', retryAfterMs: this.retryAfterMs(nowMs) };
    waiting.set(search.id, search);
    return { kind: 'waits' };
  }

  /** One that waits does so no longer. @returns whether it did wait */
  leave(id: number): boolean {
    return this.#waiting.light.delete(id) || this.#waiting.heavy.delete(id);
  }

  /** Gives a turn back. @returns the searches that run now instead */
  release(id: number, nowMs: number): readonly number[] {
    const ended = this.#running.get(id);
    if (ended === undefined) return [];
    this.#running.delete(id);
    this.#held[ended.turn] -= 1;
    if (ended.turn === 'light') this.#moveOver();
    if (ended.weight === 'heavy') {
      const tookMs = nowMs - ended.sinceMs;
      const meanMs = this.#meanHeavyMs ?? tookMs;
      this.#meanHeavyMs = meanMs + NEWEST_SHARE * (tookMs - meanMs);
    }
    const started: number[] = [];
    for (const weight of ['light', 'heavy'] as const) {
      for (;;) {
        const turn = this.#freeTurn(weight);
        const next = turn === undefined ? undefined : this.#next(weight);
        if (turn === undefined || next === undefined) break;
        this.#waiting[weight].delete(next.id);
        this.#start(next, turn, nowMs);
        started.push(next.id);
      }
    }
    return started;
  }

  /**
   * @param expectedMs only what goes before a search of this cost counts
   * @returns ms until a heavy turn is free for it, about: what heavy ones took, which says more of a busy machine than
   *   what each is expected to take
   */
  heavyWaitMs(nowMs: number, expectedMs: number): number {
    const meanMs = this.#meanHeavyMs ?? FIRST_MEAN_MS;
    let aheadMs = 0;
    // One that runs for longer than most ends any moment, or never: then as much again.
    for (const { turn, sinceMs } of this.#running.values()) {
      const sinceBeginMs = nowMs - sinceMs;
      if (turn === 'heavy') aheadMs += sinceBeginMs < meanMs ? meanMs - sinceBeginMs : sinceBeginMs;
    }
    for (const search of this.#waiting.heavy.values()) if (search.expectedMs <= expectedMs) aheadMs += meanMs;
    return aheadMs / this.#limits.heavyTurns;
  }

  /** When a search that cannot be served now may be tried again, in ms from now. Each call books a later time. */
  retryAfterMs(nowMs: number): number {
    const freeAtMs = nowMs + this.heavyWaitMs(nowMs, Number.POSITIVE_INFINITY);
    const eachMs = Math.max(1, this.#meanHeavyMs ?? FIRST_MEAN_MS) / this.#limits.heavyTurns;
    let returnMs = Math.max(freeAtMs, this.#latestReturnMs + eachMs, nowMs + MIN_RETRY_MS);
    // The minute is full: it is given out once more from its start.
    if (returnMs > nowMs + MAX_RETRY_MS)
      returnMs = Math.min(Math.max(freeAtMs, nowMs + MIN_RETRY_MS), nowMs + MAX_RETRY_MS);
    this.#latestReturnMs = returnMs;
    return returnMs - nowMs;
  }

  /** A light search that holds a heavy turn gives it back as soon as a light one is free. */
  #moveOver(): void {
    for (const search of this.#running.values()) {
      if (search.weight !== 'light' || search.turn !== 'heavy') continue;
      search.turn = 'light';
      this.#held.heavy -= 1;
      this.#held.light += 1;
      return;
    }
  }

  #freeTurn(weight: Weight): Weight | undefined {
    if (weight === 'light' && this.#held.light < this.#limits.lightTurns) return 'light';
    if (this.#held.heavy >= this.#limits.heavyTurns) return undefined;
    // An idle heavy turn serves the light too, as long as no heavy search wants it.
    return weight === 'heavy' || this.#waiting.heavy.size === 0 ? 'heavy' : undefined;
  }

  #next(weight: Weight): QueuedSearch | undefined {
    const [oldest] = this.#waiting[weight].values();
    if (weight === 'light' || this.#heavyTurnsGiven % FAIR_TURN === FAIR_TURN - 1) return oldest;
    let best = oldest;
    for (const search of this.#waiting.heavy.values())
      if (best === undefined || search.expectedMs < best.expectedMs) best = search;
    return best;
  }

  #start(search: QueuedSearch, turn: Weight, nowMs: number): void {
    this.#held[turn] += 1;
    if (search.weight === 'heavy') this.#heavyTurnsGiven += 1;
    this.#running.set(search.id, { turn, weight: search.weight, sinceMs: nowMs });
  }
}
