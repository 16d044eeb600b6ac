import { expect, test } from 'vitest';
import { isoDay, isoTime } from './iso-time.ts';

const BEYOND = [8_640_000_000_000_001, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY];
const BEFORE = [-1, -8_640_000_000_000_001, Number.NEGATIVE_INFINITY, Number.NaN];

test('any number is a time that can be shown', () => {
  expect(isoTime(Date.UTC(2026, 0, 31, 12, 0, 0, 5))).toBe('2026-01-31T12:00:00.005Z');
  expect(isoTime(2n ** 64n - 1n)).toBe('9999-12-31T23:59:59.999Z');
  for (const ms of BEYOND) expect(isoTime(ms)).toBe('9999-12-31T23:59:59.999Z');
  for (const ms of BEFORE) expect(isoTime(ms)).toBe('1970-01-01T00:00:00.000Z');
});

test('any number is a day that the store can hold', () => {
  expect(isoDay(Date.UTC(2026, 0, 31, 23, 59, 59, 999))).toBe('2026-01-31');
  for (const ms of BEYOND) expect(isoDay(ms)).toBe('2149-06-06');
  for (const ms of BEFORE) expect(isoDay(ms)).toBe('1970-01-01');
});
