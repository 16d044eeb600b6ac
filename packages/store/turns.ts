/**
 * Bounds how many requests of one kind run at once; the others wait in order of arrival, a bounded number for a
 * bounded time.
 *
 * Invariant: between `take` and `release` at most `limit` holders exist, and every turn is given back exactly once.
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';

export interface TurnsOptions {
  readonly limit: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

interface Waiter {
  readonly admit: () => void;
}

export class Turns {
  private running = 0;
  private readonly waiting = new Set<Waiter>();
  private readonly options: TurnsOptions;

  constructor(options: TurnsOptions) {
    this.options = options;
  }

  /** How many hold a turn now. */
  get runningCount(): number {
    return this.running;
  }

  /**
   * Waits for a turn.
   *
   * @param signal gives up waiting when its client is gone
   * @returns a function that gives the turn back
   * @throws EngineError 202 when too many wait already or the wait is too long, 394 when the signal came first
   */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.running < this.options.limit) {
      this.running += 1;
    } else {
      await this.wait(signal);
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.release();
    };
  }

  private release(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.running -= 1;
      return;
    }
    // The turn passes on, so `running` stays.
    this.waiting.delete(next);
    next.admit();
  }

  private wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.size >= this.options.maxWaiting)
      throw tooMany(`${this.options.maxWaiting} requests wait already`);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.waiting.delete(waiter);
      };
      const waiter: Waiter = {
        admit: () => {
          settle();
          resolve();
        },
      };
      const onAbort = (): void => {
        settle();
        reject(
          new EngineError(EXCEPTION_CODES.queryWasCancelled, 'Query was cancelled. (QUERY_WAS_CANCELLED)'),
        );
      };
      const timer = setTimeout(() => {
        settle();
        reject(tooMany(`no turn came in ${this.options.maxWaitMs} ms`));
      }, this.options.maxWaitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(waiter);
    });
  }
}

function tooMany(detail: string): EngineError {
  return new EngineError(
    EXCEPTION_CODES.tooManySimultaneousQueries,
    `Too many simultaneous queries: ${detail}. (TOO_MANY_SIMULTANEOUS_QUERIES)`,
  );
}
