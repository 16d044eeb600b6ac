/**
 * The time that a program lives by: the time of day, but for one thing: when somebody sets the computer's clock back, it goes
 * on as if nobody had. A machine whose time stood still for an hour would ask nobody for an hour (U1).
 *
 * Invariants: it never goes back and never stands still; a clock that is set ahead is followed at once.
 */
import type { TimeMs } from '@sluice/protocol/model';

/** Where a clock gets its time from, in ms. */
export interface TimeSources {
  /** The time of day since 1970; may jump. */
  readonly timeOfDayMs: () => number;
  /** Counts on at the same pace, whatever is set; since any moment. */
  readonly elapsedMs: () => number;
}

const COMPUTER: TimeSources = {
  timeOfDayMs: () => Date.now(),
  elapsedMs: () => performance.now(),
};

/** @returns what tells the time in whole ms since 1970. */
export function createSteadyClock(sources: TimeSources = COMPUTER): () => TimeMs {
  let latestMs = Number.NEGATIVE_INFINITY;
  let toldAtMs = sources.elapsedMs();
  return () => {
    const elapsedMs = sources.elapsedMs();
    latestMs = Math.max(sources.timeOfDayMs(), latestMs + (elapsedMs - toldAtMs));
    toldAtMs = elapsedMs;
    // This is where time enters; the brand is made here.
    return Math.floor(latestMs) as TimeMs;
  };
}
