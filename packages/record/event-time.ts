/**
 * Which times can be the time of an event: a log is written when something happens, and read soon after.
 *
 * Invariant: what is outside of the window never becomes an event time. It would lead every search (the future) or fall
 * out of all of them (1970), and the one who looks would not know why.
 */

import { MAX_TIMESTAMP_SECONDS } from '@sluice/block/columns';
import type { TimeReading } from './timestamp.ts';

/**
 * 1990-01-01: no log of a system that runs today is older, and clocks that were never set begin in 1970 or 1980; zero
 * values of programs (year 1, 1970) are below it too.
 */
export const EARLIEST_EVENT_SECONDS = 631_152_000;
/**
 * So far ahead of the time of reading an event may be: a zone that was taken for another one is up to 26 hours off, and
 * a clock that nobody sets drifts by minutes; a week leaves room for a wrong day. What is later was planned, or is made
 * up.
 */
export const MAX_EVENT_AHEAD_SECONDS: number = 7 * 24 * 3600;
/**
 * 2026-01-01, before this was written: a computer whose clock says less was never told the time (it begins in 1970 at
 * each start), so its clock cannot judge the times of others.
 */
const CLOCK_IS_SET_SECONDS = 1_767_225_600;

/** The latest second that an event may have that is read now; all that a block can hold when the clock is not set. */
export function latestEventSeconds(observedSeconds: number): number {
  return observedSeconds < CLOCK_IS_SET_SECONDS
    ? MAX_TIMESTAMP_SECONDS
    : observedSeconds + MAX_EVENT_AHEAD_SECONDS;
}

/**
 * Reads a number as a unix time in seconds, milli-, micro- or nanoseconds, told apart by the digits before its point: 10,
 * 13, 16 or 19, as they have had since September 2001. Numbers with fewer or other digits are durations, counts and dates
 * without separators (`45`, `20240102`).
 *
 * @param digits a decimal numeral without sign, exponent or blanks
 * @param place gets whole seconds since 1970 and the nanoseconds beyond them, as the digits say (none lost to rounding)
 * @returns whether it is one; `place` is left alone when it is not
 */
export function readUnixDigits(digits: string, place: TimeReading): boolean {
  const match = UNIX_TIME.exec(digits);
  if (match === null) return false;
  const [, seconds = '', scale = '', fraction = ''] = match;
  place.seconds = Number(seconds);
  place.assumed = false;
  place.nanos = Number(`${scale}${fraction}`.slice(0, NANO_DIGITS).padEnd(NANO_DIGITS, '0'));
  return true;
}

const NANO_DIGITS = 9;
const UNIX_TIME = /^([1-9]\d{9})(\d{9}|\d{6}|\d{3}|)(?:\.(\d{1,30}))?$/;
