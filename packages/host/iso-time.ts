/**
 * Times as text, whatever number somebody gave. Times come from other computers and from files: one that `Date` cannot hold
 * once threw in the loader, and nobody's logs were loaded any more.
 */

/** The latest time that a `Date` can hold, and the ISO text of a four-digit year: the end of the year 9999, in ms. */
const MAX_TIME_MS = 253_402_300_799_999;
/** The last day that the store's `Date` can hold: 2149-06-06, in ms. */
const MAX_DAY_MS = 5_662_310_399_999;

/** @param atMs ms since 1970; @returns `2026-01-31T12:00:00.000Z`; what is beyond the years 1970 to 9999 as their end */
export function isoTime(atMs: number | bigint): string {
  return new Date(bounded(Number(atMs), MAX_TIME_MS)).toISOString();
}

/** @param atMs ms since 1970; @returns `2026-01-31` in UTC, as the store's type Date takes it; what it cannot hold as its end */
export function isoDay(atMs: number): string {
  return new Date(bounded(atMs, MAX_DAY_MS)).toISOString().slice(0, 10);
}

function bounded(atMs: number, mostMs: number): number {
  return Number.isNaN(atMs) ? 0 : Math.min(Math.max(0, atMs), mostMs);
}
