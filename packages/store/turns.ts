/**
 * Bounds how many requests of one kind run at once; the others wait, a bounded number for a bounded time: the ones of
 * higher priority first, those of equal priority in order of arrival.
 *
 * Invariants: between `take` and `release` at most `limit` holders exist, and `express` more of high priority; every turn
 * is given back exactly once; one turn in FAIR_TURN goes to the longest waiter, so that nobody waits for ever.
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';

/** One turn in this many goes to the longest waiter, whatever its priority. */
const FAIR_TURN = 4;
/** Up to this priority, 1 being the highest, a request may use the turns that are kept for urgent ones. */
const EXPRESS_PRIORITY = 2;
/** Of a request that names none. */
const NO_PRIORITY: number = Number.MAX_SAFE_INTEGER;

export interface TurnsOptions {
  readonly limit: number;
  /** Turns beyond `limit`, for requests of high priority; default none. */
  readonly express?: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

/** A turn of the limit, or one beyond it. */
type TurnKind = 'plain' | 'express';

interface Waiter {
  readonly priority: number;
  readonly admit: (turn: TurnKind) => void;
}

export class Turns {
  private readonly runningBy: Record<TurnKind, number> = { plain: 0, express: 0 };
  private released = 0;
  private readonly waiting = new Set<Waiter>();
  private readonly options: TurnsOptions;

  constructor(options: TurnsOptions) {
    this.options = options;
  }

  /** How many hold a turn now. */
  get runningCount(): number {
    return this.runningBy.plain + this.runningBy.express;
  }

  /**
   * Waits for a turn.
   *
   * @param signal gives up waiting when its client is gone
   * @param priority 1 is the highest; 0 or nothing is the lowest
   * @param maxWaitMs how long this one waits at most; default as the options say
   * @returns a function that gives the turn back
   * @throws EngineError 202 when too many wait already or the wait is too long, 394 when the signal came first
   */
  async take(
    signal: AbortSignal,
    priority = 0,
    maxWaitMs: number = this.options.maxWaitMs,
  ): Promise<() => void> {
    // An abort that was is told to nobody again: the turn would be for one who is gone.
    if (signal.aborted) throw cancelled();
    const rank = priority > 0 ? priority : NO_PRIORITY;
    const free = this.freeTurn(rank);
    if (free !== undefined) this.runningBy[free] += 1;
    const turn = free ?? (await this.wait(signal, rank, maxWaitMs));
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.release(turn);
    };
  }

  private freeTurn(priority: number): TurnKind | undefined {
    const { limit, express = 0 } = this.options;
    if (priority <= EXPRESS_PRIORITY && this.runningBy.express < express) return 'express';
    return this.runningBy.plain < limit ? 'plain' : undefined;
  }

  private release(turn: TurnKind): void {
    this.runningBy[turn] -= 1;
    if (turn === 'plain') this.released += 1;
    const next = this.nextWaiter(turn);
    if (next === undefined) return;
    // The turn passes on at once, so that nobody takes it in between.
    this.runningBy[turn] += 1;
    this.waiting.delete(next);
    next.admit(turn);
  }

  private nextWaiter(turn: TurnKind): Waiter | undefined {
    let [best] = this.waiting;
    if (best === undefined) return undefined;
    if (turn === 'plain' && this.released % FAIR_TURN === 0) return best;
    for (const waiter of this.waiting) if (waiter.priority < best.priority) best = waiter;
    return turn === 'express' && best.priority > EXPRESS_PRIORITY ? undefined : best;
  }

  private wait(signal: AbortSignal, priority: number, maxWaitMs: number): Promise<TurnKind> {
    if (this.waiting.size >= this.options.maxWaiting)
      throw tooMany(`${this.options.maxWaiting} requests wait already`);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.waiting.delete(waiter);
      };
      const waiter: Waiter = {
        priority,
        admit: (turn) => {
          settle();
          resolve(turn);
        },
      };
      const onAbort = (): void => {
        settle();
        reject(cancelled());
      };
      const timer = setTimeout(() => {
        settle();
        reject(tooMany(`no turn came in ${maxWaitMs} ms`));
      }, maxWaitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(waiter);
    });
  }
}

function cancelled(): EngineError {
  return new EngineError(EXCEPTION_CODES.queryWasCancelled, 'Query was cancelled. (QUERY_WAS_CANCELLED)');
}

function tooMany(detail: string): EngineError {
  return new EngineError(
    EXCEPTION_CODES.tooManySimultaneousQueries,
    `Too many simultaneous queries: ${detail}. (TOO_MANY_SIMULTANEOUS_QUERIES)`,
  );
}
