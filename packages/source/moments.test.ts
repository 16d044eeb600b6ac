import { expect, test } from 'vitest';
import { Moments } from './moments.ts';

test('moments within one millisecond grow, and stay within it', () => {
  const moments = new Moments();
  const handedOut = Array.from({ length: 1001 }, () => moments.next(1_900_000_000_123));
  expect(handedOut.slice(0, 3)).toEqual([1_900_000_000_123, 1_900_000_000_123.001, 1_900_000_000_123.002]);
  expect(new Set(handedOut.slice(0, 1000)).size).toBe(1000);
  expect(handedOut.at(-1)).toBeLessThan(1_900_000_000_124);
});

test('another millisecond begins without a fraction, also after the clock was set back', () => {
  const moments = new Moments();
  expect([7, 7, 8, 5, 5].map((nowMs) => moments.next(nowMs))).toEqual([7, 7.001, 8, 5, 5.001]);
});
