import { expect, test } from 'vitest';
import { MAX_TOLD_SOURCES, mergeStates, type SourceState } from './source-states.ts';

test('of the states of several sources the worst are told of, a bounded number, and all are counted', () => {
  const failing = (forMs: number): SourceState => ({
    ...{ kind: 'test', name: `${forMs}`, condition: 'failing', forMs, reason: 'refused' },
    ...{ unreadBytes: 0, unparsedRecords: 0, failedRecords: 0, readErrors: 0 },
  });
  const all = [0, 1].map((source) => ({
    ...mergeStates([]),
    failing: MAX_TOLD_SOURCES,
    worst: Array.from({ length: MAX_TOLD_SOURCES }, (_, index) => failing(2 * index + source)),
  }));
  const { failing: count, worst } = mergeStates(all);
  expect(count).toBe(2 * MAX_TOLD_SOURCES);
  const longest = Array.from({ length: MAX_TOLD_SOURCES }, (_, index) => 2 * MAX_TOLD_SOURCES - 1 - index);
  expect(worst.map(({ forMs }) => forMs)).toEqual(longest);
});
