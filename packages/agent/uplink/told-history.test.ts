import { create } from '@bufbuild/protobuf';
import { AgentReportSchema } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import { ToldHistory } from './told-history.ts';

test('each event is told once over a connection, and the rest of the report each time', () => {
  const report = (...numbers: bigint[]) =>
    create(AgentReportSchema, { hostName: 'web', history: numbers.map((number) => ({ number })) });
  const first = new ToldHistory();
  const numbers = (told: { history: { number: bigint }[] }): bigint[] =>
    told.history.map((event) => event.number);
  expect(numbers(first.news(report(1n, 2n)))).toEqual([1n, 2n]);
  expect(first.news(report(1n, 2n))).toMatchObject({ hostName: 'web', history: [] });
  expect(numbers(first.news(report(2n, 3n, 4n)))).toEqual([3n, 4n]);
  // Another connection has told nothing.
  expect(numbers(new ToldHistory().news(report(2n, 3n, 4n)))).toEqual([2n, 3n, 4n]);
});
