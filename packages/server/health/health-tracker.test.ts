import { expect, test } from 'vitest';
import { HealthTracker, MAX_TRACKED } from './health-tracker.ts';
import type { Finding } from './problem.ts';
import { TROUBLES } from './troubles.ts';

const START_MS = 1_000_000;

/** A trouble that is told at once, is over only after a while, and one that must last first. */
const DISK: Finding = { code: 'journal_disk_low', subject: { kind: 'server', name: 's1' }, values: {} };
const LOAD: Finding = { code: 'journal_full', subject: { kind: 'server', name: 's1' }, values: {} };

test('a trouble is told once it has lasted, since its beginning', () => {
  const tracker = new HealthTracker();
  const { raiseAfterMs } = TROUBLES.journal_full;
  expect(raiseAfterMs).toBeGreaterThan(0);
  expect(tracker.step([LOAD], START_MS)).toEqual([]);
  expect(tracker.step([LOAD], START_MS + raiseAfterMs - 1)).toEqual([]);
  expect(tracker.step([LOAD], START_MS + raiseAfterMs)).toMatchObject([{ sinceMs: START_MS }]);
  expect(tracker.step([LOAD], START_MS + 10 * raiseAfterMs)).toMatchObject([{ sinceMs: START_MS }]);
});

test('what passes by itself is never told', () => {
  const tracker = new HealthTracker();
  const { raiseAfterMs } = TROUBLES.journal_full;
  tracker.step([LOAD], START_MS);
  tracker.step([], START_MS + 1);
  tracker.step([LOAD], START_MS + 2);
  expect(tracker.step([LOAD], START_MS + raiseAfterMs + 1)).toEqual([]);
});

test('what comes and goes is one problem, and ends when it was over for a while', () => {
  const tracker = new HealthTracker();
  const { endAfterMs } = TROUBLES.journal_disk_low;
  expect(endAfterMs).toBeGreaterThan(0);
  tracker.step([DISK], START_MS);
  expect(tracker.step([], START_MS + endAfterMs - 1)).toHaveLength(1);
  expect(tracker.step([DISK], START_MS + endAfterMs)).toMatchObject([{ sinceMs: START_MS }]);
  expect(tracker.step([], START_MS + 2 * endAfterMs)).toEqual([]);
  expect(tracker.step([DISK], START_MS + 2 * endAfterMs + 1)).toMatchObject([
    { sinceMs: START_MS + 2 * endAfterMs + 1 },
  ]);
});

test('the facts may know since when, but nothing began after now or before 1970', () => {
  const tracker = new HealthTracker();
  expect(tracker.step([{ ...DISK, sinceMs: START_MS - 5 }], START_MS)[0]?.sinceMs).toBe(START_MS - 5);
  const other = new HealthTracker();
  expect(other.step([{ ...DISK, sinceMs: -5 }], START_MS)[0]?.sinceMs).toBe(0);
  const third = new HealthTracker();
  expect(third.step([{ ...DISK, sinceMs: START_MS + 5 }], START_MS)[0]?.sinceMs).toBe(START_MS);
});

test('troubles of more subjects than are followed: the worst are, and the memory is bounded', () => {
  const tracker = new HealthTracker();
  const many = Array.from({ length: MAX_TRACKED + 10 }, (_, index): Finding => {
    return { code: 'agent_blocks_set_aside', subject: { kind: 'agent', name: `a${index}` }, values: {} };
  });
  const problems = tracker.step([...many, { ...DISK, code: 'journal_disk_full' }], START_MS);
  expect(problems).toHaveLength(MAX_TRACKED);
  expect(problems[0]?.code).toBe('journal_disk_full');
});
