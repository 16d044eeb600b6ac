import { expect, test } from 'vitest';
import { formatTable, latenciesOf, percentile } from './storm-outcome.ts';

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

test('a line that was not seen makes a lower bound of every percentile that it may move', () => {
  // t9 was written last, so what is known of it is the least: it may end up anywhere above.
  const arrived = new Map(errors.slice(0, 9).map(({ token, writtenMs }) => [token, writtenMs + 5000]));
  const latencies = latenciesOf(errors, arrived, 9_000 + 1000);
  expect(latencies.at(-1)).toEqual({ milliseconds: 1000, atLeast: true });
  expect(percentile(latencies, 0.5)).toEqual({ milliseconds: 5000, atLeast: true });
  expect(formatTable([{ shipper: 'x', latencies, backlogLines: 3, remarks: [] }])).toContain('> 5.00 s');
});
