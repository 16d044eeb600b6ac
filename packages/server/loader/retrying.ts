/**
 * Calls what may fail until it succeeds, with growing pauses, and says meanwhile why it stands still.
 *
 * Invariant: when the signal is aborted, everything that waits here ends soon with a SluiceError `stopping`.
 */
import { SluiceError } from '@sluice/base/error';
import type { Lane } from '../journal/journal-records.ts';

/** Why a lane stands still. */
export interface LoaderProblem {
  readonly lane: Lane;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly error: SluiceError;
}

/** What is thrown to leave a loop when the loader stops: `stopping`. */
export function stopping(): SluiceError {
  return new SluiceError('stopping', 'the loader is being stopped');
}

export interface RetryingOptions {
  readonly lane: Lane;
  readonly signal: AbortSignal;
  /** Pause after the first failed attempt; doubles up to `maxRetryMs`. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  attemptFailed(problem: LoaderProblem): void;
}

export class Retrying {
  readonly #options: RetryingOptions;
  #problem: LoaderProblem | undefined;

  constructor(options: RetryingOptions) {
    this.#options = options;
  }

  get problem(): LoaderProblem | undefined {
    return this.#problem;
  }

  /** Calls `action` until it succeeds; throws SluiceError `stopping`. */
  async untilDone<T>(action: () => Promise<T>): Promise<T> {
    const { lane, firstRetryMs, maxRetryMs, attemptFailed } = this.#options;
    let retryMs = firstRetryMs;
    for (;;) {
      try {
        const result = await action();
        this.#problem = undefined;
        return result;
      } catch (error) {
        if (SluiceError.is(error, 'stopping')) throw error;
        this.#problem = {
          lane,
          sinceMs: this.#problem?.sinceMs ?? Date.now(),
          attempts: (this.#problem?.attempts ?? 0) + 1,
          error: SluiceError.from(error, 'store_failed'),
        };
        attemptFailed(this.#problem);
      }
      await this.sleep(retryMs);
      retryMs = Math.min(retryMs * 2, maxRetryMs);
    }
  }

  /** Throws SluiceError `stopping`. */
  async sleep(ms: number): Promise<void> {
    const { signal } = this.#options;
    if (signal.aborted) throw stopping();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
    });
    if (signal.aborted) throw stopping();
  }
}
