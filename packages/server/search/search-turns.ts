/**
 * The turns of searches at one server: lets each wait for its turn a bounded time, runs it, ends it. Who goes first is
 * decided in search-queue.ts.
 *
 * What a search costs is not known before it ran. Where it would have to wait, the engine is asked how many rows it would
 * have to read (which takes some milliseconds); where nothing waits it begins at once on a guess. A guess may be wrong, so
 * its light turn is short: a search that has not ended by then gives it back, is estimated, and begins again. So may an
 * estimate, and the machine may be slow: a light turn by estimate is longer, and after it comes a heavy one. Only a few of
 * those that look heavy are estimated in a crowd; the others are refused at once, which costs next to nothing. What reads
 * every text of all time is heavy without a question: hundreds of such questions took the light searches' time.
 *
 * Invariants:
 * - Requests of one principal with one search id are one search: one place in the queue, one turn, one deadline; they run one after the
 *   other, so no turn ever runs two queries.
 * - A request whose caller went away is not begun, and its query is ended; a turn without requests is over.
 * - Nobody waits longer than `maxWaitMs` in all, then it is told when to come again.
 */
import { SluiceError } from '@sluice/base/error';
import { searchBusy, searchCancelled } from './search-errors.ts';
import { SearchQueue, type SearchQueueLimits, type Weight } from './search-queue.ts';

export interface SearchTurnsLimits extends SearchQueueLimits {
  /** Estimates that are made at once, of what looks light and of what looks heavy each. */
  readonly estimateTurns: number;
  /** Searches that wait for theirs. */
  readonly maxEstimatingLight: number;
  readonly maxEstimatingHeavy: number;
  /** How long a light turn lasts at most that was given on a guess. */
  readonly lightBudgetMs: number;
  /** The same of one that the engine's estimate says is enough. */
  readonly lightTimeoutMs: number;
  /** How long a heavy turn lasts at most. */
  readonly timeoutMs: number;
  /** Requests of one search at most; further ones are searches of their own. */
  readonly maxRequestsOfSearch: number;
}

export interface Estimate {
  readonly weight: Weight;
  readonly expectedMs: number;
}

export interface SearchAsk {
  /** Name of the principal. */
  readonly asker: string;
  /** Requests of one asker with the same one are one search; empty for a search of its own. */
  readonly searchId: string;
  /** What the query looks like. */
  readonly guess: Weight;
  /** Asks the engine; a failure leaves it at the guess. Undefined where the guess is sure. */
  readonly estimate: ((signal: AbortSignal) => Promise<Estimate>) | undefined;
  /** The caller's. */
  readonly signal: AbortSignal;
}

/** A turn as the one who has it sees it. */
export interface Turn {
  readonly weight: Weight;
  /** @returns ms until the turn is over; 0 or less when it is */
  leftMs(): number;
  /** @returns ms for which the search may still be put off, by the store too when several servers share one; 0 or less when it may not */
  patienceMs(): number;
}

export interface SearchStatistics {
  readonly runningCount: number;
  readonly waitingCount: number;
  /** Requests since the start, by how they ended. */
  readonly outcomes: Readonly<Record<SearchOutcome, number>>;
}

export const SEARCH_OUTCOMES = ['answered', 'busy', 'timeout', 'cancelled', 'failed'] as const;
export type SearchOutcome = (typeof SEARCH_OUTCOMES)[number];

interface Member {
  readonly signal: AbortSignal;
  /** Does the work and settles the request; resolves to false when the turn was too short for it. */
  readonly serve: (turn: Turn) => Promise<boolean>;
  readonly refuse: (reason: SluiceError) => void;
}

interface Search {
  readonly id: number;
  readonly key: string;
  readonly ask: SearchAsk;
  readonly arrivedMs: number;
  /** Those that wait, in order; the one that runs is not among them. */
  readonly members: Member[];
  /** Ends the estimate. */
  readonly dropped: AbortController;
  /** All that ever joined. */
  memberCount: number;
  weight: Weight;
  isEstimated: boolean;
  state: 'estimating' | 'waiting' | 'running' | 'over';
  timer: NodeJS.Timeout | undefined;
}

export class SearchTurns {
  readonly #limits: SearchTurnsLimits;
  readonly #now: () => number;
  readonly #queue: SearchQueue;
  readonly #searches = new Map<number, Search>();
  readonly #byKey = new Map<string, Search>();
  /** By what they look like: no light search waits for the estimate of a heavy one. */
  readonly #toEstimate: Record<Weight, Set<Search>> = { light: new Set(), heavy: new Set() };
  readonly #estimatesRunning: Record<Weight, number> = { light: 0, heavy: 0 };
  readonly #outcomes: Record<SearchOutcome, number> = {
    answered: 0,
    busy: 0,
    timeout: 0,
    cancelled: 0,
    failed: 0,
  };
  #lastId = 0;

  /** @param now a clock in ms that only goes forward */
  constructor(limits: SearchTurnsLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#queue = new SearchQueue(limits);
  }

  get statistics(): SearchStatistics {
    const runningCount = this.#queue.runningCount;
    return { runningCount, waitingCount: this.#searches.size - runningCount, outcomes: this.#outcomes };
  }

  /**
   * Runs `work` when its turn has come. It may be called a second time, after a light turn was too short: only the last
   * outcome counts.
   *
   * @throws SluiceError `busy` or `cancelled`, and what `work` throws
   */
  run<T>(ask: SearchAsk, work: (turn: Turn) => Promise<T>): Promise<T> {
    if (ask.signal.aborted) return Promise.reject(this.#count(searchCancelled()));
    return new Promise<T>((resolve, reject) => {
      const known = this.#byKey.get(keyOf(ask));
      const joined = known !== undefined && known.memberCount < this.#limits.maxRequestsOfSearch;
      const search = joined ? known : this.#newSearch(ask);
      const member: Member = {
        signal: ask.signal,
        refuse: (reason) => {
          ask.signal.removeEventListener('abort', leave);
          reject(this.#count(reason));
        },
        serve: async (turn) => {
          try {
            const result = await work(turn);
            this.#outcomes.answered += 1;
            resolve(result);
          } catch (error) {
            if (turn.weight === 'light' && SluiceError.is(error, 'timeout') && !ask.signal.aborted)
              return false;
            reject(this.#count(error));
          }
          ask.signal.removeEventListener('abort', leave);
          return true;
        },
      };
      const leave = (): void => this.#leave(search, member);
      ask.signal.addEventListener('abort', leave, { once: true });
      search.members.push(member);
      search.memberCount += 1;
      if (!joined) this.#place(search);
    });
  }

  #newSearch(ask: SearchAsk): Search {
    this.#lastId += 1;
    const search: Search = {
      id: this.#lastId,
      key: keyOf(ask),
      ask,
      arrivedMs: this.#now(),
      members: [],
      memberCount: 0,
      weight: ask.guess,
      isEstimated: false,
      dropped: new AbortController(),
      state: 'estimating',
      timer: undefined,
    };
    this.#searches.set(search.id, search);
    if (search.key !== '' && !this.#byKey.has(search.key)) this.#byKey.set(search.key, search);
    return search;
  }

  /** Begins at once where nothing waits, else finds out what it costs. */
  #place(search: Search): void {
    const { guess } = search.ask;
    this.#waitAtMost(search);
    if (this.#queue.hasRoom(guess) && this.#toEstimate[guess].size === 0) {
      this.#enqueue(search, { weight: guess, expectedMs: 0 });
    } else {
      this.#estimate(search);
    }
  }

  #estimate(search: Search): void {
    search.state = 'estimating';
    if (search.ask.estimate === undefined) {
      this.#enqueue(search, { weight: 'heavy', expectedMs: this.#limits.timeoutMs });
      return;
    }
    const { maxEstimatingLight, maxEstimatingHeavy } = this.#limits;
    const { guess } = search.ask;
    const waiting = this.#toEstimate[guess];
    if (waiting.size >= (guess === 'light' ? maxEstimatingLight : maxEstimatingHeavy)) {
      this.#refuse(search);
    } else {
      waiting.add(search);
      this.#estimateNext(guess);
    }
  }

  #estimateNext(guess: Weight): void {
    while (this.#estimatesRunning[guess] < this.#limits.estimateTurns) {
      const [next] = this.#toEstimate[guess];
      if (next === undefined) return;
      this.#toEstimate[guess].delete(next);
      this.#estimatesRunning[guess] += 1;
      const { ask, dropped } = next;
      const unknown: Estimate = { weight: guess, expectedMs: this.#limits.timeoutMs };
      void (ask.estimate?.(dropped.signal) ?? Promise.resolve(unknown))
        .catch(() => unknown)
        .then((estimate) => {
          this.#estimatesRunning[guess] -= 1;
          next.isEstimated = true;
          if (next.state === 'estimating') this.#enqueue(next, estimate);
          this.#estimateNext(guess);
        });
    }
  }

  #enqueue(search: Search, { weight, expectedMs }: Estimate): void {
    const { id, arrivedMs } = search;
    search.weight = weight;
    search.state = 'waiting';
    const asked = this.#queue.ask({ id, weight, expectedMs, arrivedMs }, this.#now());
    if (asked.kind === 'runs') this.#start(search);
    else if (asked.kind === 'busy') this.#refuse(search, asked.retryAfterMs);
  }

  #start(search: Search): void {
    clearTimeout(search.timer);
    search.state = 'running';
    const { lightBudgetMs, lightTimeoutMs, timeoutMs } = this.#limits;
    const lightMs = search.isEstimated ? lightTimeoutMs : lightBudgetMs;
    const lengthMs = search.weight === 'light' ? lightMs : timeoutMs;
    const endMs = this.#now() + lengthMs;
    const patienceEndMs = search.arrivedMs + this.#limits.maxWaitMs;
    void this.#serve(search, {
      weight: search.weight,
      leftMs: () => endMs - this.#now(),
      patienceMs: () => patienceEndMs - this.#now(),
    });
  }

  async #serve(search: Search, turn: Turn): Promise<void> {
    let tooShort = false;
    for (let member = search.members.shift(); member !== undefined; member = search.members.shift()) {
      tooShort = !(await member.serve(turn));
      if (!tooShort) continue;
      search.members.unshift(member);
      break;
    }
    const started = this.#queue.release(search.id, this.#now());
    if (tooShort) this.#again(search);
    else this.#end(search);
    for (const id of started) {
      const next = this.#searches.get(id);
      if (next !== undefined) this.#start(next);
    }
  }

  /** A light turn was too short: the search waits for another, as long as it may still wait in all. */
  #again(search: Search): void {
    this.#waitAtMost(search);
    if (search.isEstimated)
      this.#enqueue(search, { weight: 'heavy', expectedMs: this.#limits.lightTimeoutMs });
    else this.#estimate(search);
    // Its caller may have left between the two turns.
    for (const member of search.members.filter(({ signal }) => signal.aborted)) this.#leave(search, member);
  }

  #waitAtMost(search: Search): void {
    const leftMs = search.arrivedMs + this.#limits.maxWaitMs - this.#now();
    search.timer = setTimeout(() => this.#refuse(search), Math.max(0, leftMs));
  }

  /** Tells all requests of a search that did not begin when to come again. */
  #refuse(search: Search, retryAfterMs: number = this.#queue.retryAfterMs(this.#now())): void {
    const members = search.members.splice(0);
    this.#end(search);
    for (const member of members) member.refuse(searchBusy(retryAfterMs));
  }

  /** The caller of a request is gone. A running one ends by itself: its work has the same signal. */
  #leave(search: Search, member: Member): void {
    const at = search.members.indexOf(member);
    if (at === -1) return;
    search.members.splice(at, 1);
    if (search.members.length === 0 && search.state !== 'running') this.#end(search);
    member.refuse(searchCancelled());
  }

  #end(search: Search): void {
    search.state = 'over';
    clearTimeout(search.timer);
    search.dropped.abort();
    this.#queue.leave(search.id);
    this.#toEstimate[search.ask.guess].delete(search);
    this.#searches.delete(search.id);
    if (this.#byKey.get(search.key) === search) this.#byKey.delete(search.key);
  }

  #count<E>(error: E): E {
    this.#outcomes[outcomeOf(error)] += 1;
    return error;
  }
}

/** Empty for a search of its own. Nobody joins another's search, whatever id they draw. */
function keyOf({ asker, searchId }: SearchAsk): string {
  return searchId === '' ? '' : JSON.stringify([asker, searchId]);
}

function outcomeOf(error: unknown): SearchOutcome {
  if (!(error instanceof SluiceError)) return 'failed';
  return SEARCH_OUTCOMES.find((outcome) => outcome === error.code) ?? 'failed';
}
