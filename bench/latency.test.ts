import { expect, test } from 'vitest';
import { isLonger, isWithin, latenciesOf, median, percentile, spread } from './latency.ts';
import { formatTable } from './storm-outcome.ts';

const errors = Array.from({ length: 10 }, (_, index) => ({ token: `t${index}`, writtenMs: index * 1000 }));

test('percentiles are those of the nearest rank', () => {
  const arrived = new Map(errors.map(({ token, writtenMs }, index) => [token, writtenMs + (index + 1) * 10]));
  const latencies = latenciesOf(errors, arrived, 99_999);
  expect([0.5, 0.99, 1].map((part) => percentile(latencies, part))).toEqual([
    { milliseconds: 50, atLeast: false },
    { milliseconds: 100, atLeast: false },
    { milliseconds: 100, atLeast: false },
  ]);
});

test('of 500 lines five may be longer than the 99th percentile', () => {
  const latencies = Array.from({ length: 500 }, (_, index) => ({
    milliseconds: 500 - index,
    atLeast: false,
  }));
  expect(percentile(latencies, 0.99).milliseconds).toBe(495);
});

test('a line that was not seen makes a lower bound of every percentile that it may move', () => {
  // t9 was written last, so what is known of it is the least: it may end up anywhere above.
  const arrived = new Map(errors.slice(0, 9).map(({ token, writtenMs }) => [token, writtenMs + 5000]));
  const latencies = latenciesOf(errors, arrived, 9_000 + 1000);
  expect(latencies.at(-1)).toEqual({ milliseconds: 1000, atLeast: true });
  expect(percentile(latencies, 0.5)).toEqual({ milliseconds: 5000, atLeast: true });
  expect(formatTable([{ shipper: 'x', latencies, backlogLines: 3, remarks: [] }])).toContain('> 5.00 s');
});

test('a lower bound meets no goal and is longer than what is known', () => {
  const [known, bound] = [
    { milliseconds: 1000, atLeast: false },
    { milliseconds: 500, atLeast: true },
  ];
  expect([isWithin(known, 1000), isWithin(known, 999), isWithin(bound, 1000)]).toEqual([true, false, false]);
  expect(isWithin(percentile([], 0.99), 1000)).toBe(false);
  expect([isLonger(bound, known), isLonger(known, bound), isLonger(known, known)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(isLonger({ milliseconds: 1001, atLeast: false }, known)).toBe(true);
});

test('the median of an even number is between the two in the middle', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2.5, Number.NaN]);
});

test('the spread of a step says of how many lines it is known', () => {
  expect(spread([30, 10, 20])).toBe('p50 20 p99 30 max 30 ms (3)');
  expect(spread([])).toBe('not seen');
});
