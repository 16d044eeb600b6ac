/**
 * How long to wait before the next attempt to connect: doubling, bounded, with jitter so that a thousand agents do
 * not come back at the same moment.
 */
import { RECONNECT_LEAST_MS, RECONNECT_MOST_MS } from './limits.ts';

/**
 * Pause in milliseconds before attempt `failures + 1`.
 * @param failures attempts that failed in a row, from 1.
 * @param random a number in 0..1, drawn by the caller.
 * @returns between half of the doubled pause and all of it, at most RECONNECT_MOST_MS.
 */
export function reconnectDelayMs(failures: number, random: number): number {
  const doublings = Math.min(Math.max(0, failures - 1), 16);
  const whole = Math.min(RECONNECT_MOST_MS, RECONNECT_LEAST_MS * 2 ** doublings);
  return Math.round(whole / 2 + (whole / 2) * random);
}
