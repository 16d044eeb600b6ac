import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FIRST_WINDOW_NANOS } from './limits.ts';
import { windowsOf } from './search-page.ts';
import { bucketsFor } from './time-steps.ts';

const SECOND = 1_000_000_000n;
const nanos = fc.bigInt({ min: 0n, max: 4_260_000_000n * SECOND });
const ranges = fc
  .tuple(nanos, nanos)
  .map(([one, other]) => (one < other ? { start: one, end: other + 1n } : { start: other, end: one + 1n }));

test('an hour in 60 buckets has a bucket a minute', () => {
  expect(bucketsFor(3600n * SECOND, 7200n * SECOND, 60)).toEqual({
    startNanos: 3600n * SECOND,
    stepNanos: 60n * SECOND,
    count: 60,
  });
});

test('buckets cover the range, are no more than wanted, and start at a multiple of their step', () => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 500 }), ({ start, end }, wanted) => {
      const { startNanos, stepNanos, count } = bucketsFor(start, end, wanted);
      expect(count).toBeLessThanOrEqual(wanted);
      expect(startNanos % stepNanos).toBe(0n);
      expect(startNanos <= start && startNanos + stepNanos * BigInt(count) >= end).toBe(true);
    }),
  );
});

test('windows go from the newest backwards, grow, and cover the range without gap or overlap', () => {
  fc.assert(
    fc.property(ranges, (range) => {
      const windows = [...windowsOf(range)];
      expect(windows.length).toBeLessThan(14);
      expect(windows[0]?.end).toBe(range.end);
      expect(windows.at(-1)?.start).toBe(range.start);
      let length = FIRST_WINDOW_NANOS;
      for (const [index, window] of windows.entries()) {
        expect(window.end - window.start <= length).toBe(true);
        expect(windows[index + 1]?.end ?? range.start).toBe(window.start);
        length *= 4n;
      }
    }),
  );
});
