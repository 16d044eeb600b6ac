import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import { agent, NOW_MS, waiting } from './health-fixture.ts';
import { unsearchable } from './unsearchable.ts';

test('nothing waits: nothing is late', () => {
  expect(unsearchable([], [agent({})], NOW_MS)).toEqual({
    oldestMs: 0,
    classes: [],
    oldestMsByAgent: new Map(),
  });
});

test('what was accepted and is not in the store is late, whatever agents say', () => {
  const found = unsearchable([waiting(40_000, { records: 137_146 })], [agent({})], NOW_MS);
  expect(found.oldestMs).toBe(40_000);
  expect(found.classes).toEqual([{ urgency: 'normal', records: 137_146, oldestMs: 40_000 }]);
  expect(found.oldestMsByAgent.get('web-1')).toBe(40_000);
});

test('what waits at an agent ages while it does not report, and adds up with the journal', () => {
  const backlog = [{ urgency: UrgencyClass.NORMAL, recordCount: 5n, oldestAgeMs: 3_000n }];
  const late = agent({ backlog }, { reportedMs: NOW_MS - 2_000, agentId: 'db-1' });
  const found = unsearchable([waiting(1_000, { records: 2 })], [late], NOW_MS);
  expect(found.classes).toEqual([{ urgency: 'normal', records: 7, oldestMs: 5_000 }]);
  expect([...found.oldestMsByAgent]).toEqual([
    ['db-1', 5_000],
    ['web-1', 1_000],
  ]);
});

test('the time that a record spent at its agent counts, by a clock that is off', () => {
  const hourMs = 3_600_000;
  // Observed 30 s ago, by a clock that is an hour behind; it came 10 s ago.
  const block = waiting(10_000, { oldestObservedMs: NOW_MS - 30_000 - hourMs });
  const behind = agent({ sentAtMs: BigInt(NOW_MS - hourMs) });
  expect(unsearchable([block], [behind], NOW_MS).oldestMs).toBe(30_000);
  // Of an agent whose clock nobody knows, what is certain counts.
  expect(unsearchable([block], [], NOW_MS).oldestMs).toBe(10_000);
});

test('what waits to be read counts for the agent, in no class', () => {
  const found = unsearchable([], [agent({ lagMs: 90_000n })], NOW_MS);
  expect(found).toEqual({ oldestMs: 90_000, classes: [], oldestMsByAgent: new Map([['web-1', 90_000]]) });
});

test('what an agent that is gone has told is not counted: it may have given it to others', () => {
  const backlog = [{ urgency: UrgencyClass.NORMAL, recordCount: 5n, oldestAgeMs: 3_000n }];
  expect(unsearchable([], [agent({ backlog }, { connected: false })], NOW_MS).oldestMs).toBe(0);
});
