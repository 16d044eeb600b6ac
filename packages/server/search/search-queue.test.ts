import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAIR_TURN, MAX_RETRY_MS, MIN_RETRY_MS, SearchQueue, type Weight } from './search-queue.ts';

const LIMITS = { lightTurns: 2, heavyTurns: 1, maxWaitingLight: 4, maxWaitingHeavy: 3, maxWaitMs: 9_000 };

function ask(queue: SearchQueue, id: number, weight: Weight, expectedMs = 0, nowMs = 0): string {
  return queue.ask({ id, weight, expectedMs, arrivedMs: nowMs }, nowMs).kind;
}

describe('order', () => {
  test('a light search runs at once however many heavy ones wait', () => {
    const queue = new SearchQueue(LIMITS);
    expect([1, 2, 3, 4, 5].map((id) => ask(queue, id, 'heavy'))).toEqual([
      'runs',
      'waits',
      'waits',
      'waits',
      'busy',
    ]);
    expect(ask(queue, 10, 'light')).toBe('runs');
    expect(queue.release(10, 5)).toEqual([]);
    expect(queue.runningCount).toBe(1);
  });

  test('the shortest expected heavy search goes first, and one turn in some goes to the longest waiter', () => {
    const queue = new SearchQueue({ ...LIMITS, maxWaitingHeavy: 100, maxWaitMs: 60_000 });
    ask(queue, 0, 'heavy');
    ask(queue, 1, 'heavy', 9_999);
    for (let id = 2; id < 20; id += 1) ask(queue, id, 'heavy', 1_000 - id);
    const order: number[] = [];
    for (let running = 0; order.length < 19; running = order.at(-1) ?? 0)
      order.push(...queue.release(running, 0));
    expect(order.slice(0, 2)).toEqual([19, 18]);
    expect(order.indexOf(1)).toBeLessThan(FAIR_TURN);
  });

  test('an idle heavy turn serves the light, and never before a heavy one that waits', () => {
    const queue = new SearchQueue(LIMITS);
    expect([1, 2, 3, 4].map((id) => ask(queue, id, 'light'))).toEqual(['runs', 'runs', 'runs', 'waits']);
    expect(ask(queue, 9, 'heavy')).toBe('waits');
    // The third holds the heavy turn.
    expect(queue.release(3, 0)).toEqual([9]);
    expect(queue.release(9, 0)).toEqual([4]);
  });

  test('who leaves is not started', () => {
    const queue = new SearchQueue(LIMITS);
    ask(queue, 1, 'heavy');
    ask(queue, 2, 'heavy');
    ask(queue, 3, 'heavy');
    expect(queue.leave(2)).toBe(true);
    expect(queue.leave(2)).toBe(false);
    expect(queue.release(1, 0)).toEqual([3]);
  });
});

test('a crowd that is refused is told to come again one after the other, within a minute', () => {
  const queue = new SearchQueue(LIMITS);
  for (let id = 0; id < 4; id += 1) ask(queue, id, 'heavy', 2_000);
  const times = Array.from({ length: 20 }, () => queue.retryAfterMs(0));
  // One that runs and three that wait, of a second each until one has been seen.
  expect(times[0]).toBe(4_000);
  expect(times).toEqual([...times].sort((one, other) => one - other));
  expect(new Set(times).size).toBe(times.length);
  const more = Array.from({ length: 500 }, () => queue.retryAfterMs(0));
  expect(Math.max(...more)).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(Math.min(...more, queue.retryAfterMs(1e9))).toBeGreaterThanOrEqual(MIN_RETRY_MS);
  // Not all of the rest at the end of the minute.
  expect(new Set(more).size).toBeGreaterThan(40);
});

test('a heavy search whose turn will not come in time is refused at once, by what heavy ones took', () => {
  const queue = new SearchQueue({ ...LIMITS, maxWaitingHeavy: 100 });
  ask(queue, 0, 'heavy');
  ask(queue, 1, 'heavy', 500);
  // The first took 4 s: so will the next two, and that is all that fits into 9 s.
  expect(queue.release(0, 4_000)).toEqual([1]);
  expect([2, 3, 4].map((id) => ask(queue, id, 'heavy', 500, 4_000))).toEqual(['waits', 'waits', 'busy']);
  // It goes before both.
  expect(ask(queue, 5, 'heavy', 400, 4_000)).toBe('waits');
  // The one that runs takes longer than ever: who knows when it ends.
  expect(ask(queue, 6, 'heavy', 300, 14_000)).toBe('busy');
  expect(ask(queue, 7, 'light', 0, 14_000)).toBe('runs');
});

type Command =
  | {
      readonly kind: 'ask';
      readonly weight: Weight;
      readonly expectedMs: number;
    }
  | { readonly kind: 'release' | 'leave'; readonly which: number };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant('ask' as const),
    weight: fc.constantFrom('light' as const, 'heavy' as const),
    expectedMs: fc.integer({ min: 0, max: 60_000 }),
  }),
  fc.record({ kind: fc.constantFrom('release' as const, 'leave' as const), which: fc.nat() }),
);
const limits = fc.record({
  lightTurns: fc.integer({ min: 1, max: 3 }),
  heavyTurns: fc.integer({ min: 1, max: 3 }),
  maxWaitingLight: fc.integer({ min: 0, max: 4 }),
  maxWaitingHeavy: fc.integer({ min: 0, max: 4 }),
  maxWaitMs: fc.constantFrom(0, 2_500, 9_000),
});

test('whatever comes, its bounds hold, no turn is idle while somebody waits for it, and none is lost', () => {
  fc.assert(
    fc.property(limits, fc.array(command, { maxLength: 120 }), (bounds, commands) => {
      const queue = new SearchQueue(bounds);
      const weights = new Map<number, Weight>();
      const running: number[] = [];
      const waiting: number[] = [];
      const count = (ids: readonly number[], weight: Weight): number =>
        ids.filter((id) => weights.get(id) === weight).length;
      for (const [nowMs, step] of commands.entries()) {
        if (step.kind === 'ask') {
          weights.set(nowMs, step.weight);
          const asked = queue.ask({ id: nowMs, arrivedMs: nowMs, ...step }, nowMs);
          if (asked.kind === 'runs') running.push(nowMs);
          else if (asked.kind === 'waits') waiting.push(nowMs);
          else expect(asked.retryAfterMs).toBeGreaterThanOrEqual(MIN_RETRY_MS);
        } else if (step.kind === 'release' && running.length > 0) {
          const [id = -1] = running.splice(step.which % running.length, 1);
          for (const started of queue.release(id, nowMs)) {
            waiting.splice(waiting.indexOf(started), 1);
            running.push(started);
          }
        } else if (step.kind === 'leave' && waiting.length > 0) {
          const [id = -1] = waiting.splice(step.which % waiting.length, 1);
          expect(queue.leave(id)).toBe(true);
        }
        expect([queue.runningCount, queue.waitingCount]).toEqual([running.length, waiting.length]);
        expect(running.length).toBeLessThanOrEqual(bounds.lightTurns + bounds.heavyTurns);
        expect(count(running, 'heavy')).toBeLessThanOrEqual(bounds.heavyTurns);
        expect(count(waiting, 'light')).toBeLessThanOrEqual(bounds.maxWaitingLight);
        expect(count(waiting, 'heavy')).toBeLessThanOrEqual(bounds.maxWaitingHeavy);
        if (count(waiting, 'light') > 0) expect(running.length).toBe(bounds.lightTurns + bounds.heavyTurns);
        if (count(waiting, 'heavy') > 0) {
          const heavyTurns = running.length - Math.min(bounds.lightTurns, count(running, 'light'));
          expect(heavyTurns).toBe(bounds.heavyTurns);
        }
      }
    }),
  );
});
