import { expect, test } from 'vitest';
import { heavyShareOf, SearchShare } from './search-share.ts';
import type { SearchClaim } from './turn-claim.ts';
import { Turns } from './turns.ts';

const signal = new AbortController().signal;
const options = { limit: 2, maxWaiting: 16, maxWaitMs: 60_000 };

/** Takes turns in this order, two of which run at once; returns the order in which they got them. */
async function orderOf(turns: Turns, priorities: readonly number[]): Promise<number[]> {
  const order: number[] = [];
  const held = [await turns.take(signal), await turns.take(signal)];
  const waiting = priorities.map(async (priority) => {
    const release = await turns.take(signal, priority);
    order.push(priority);
    release();
  });
  for (const release of held) release();
  await Promise.all(waiting);
  return order;
}

test('the waiter of the highest priority goes first; no priority is the lowest', async () => {
  expect(await orderOf(new Turns(options), [0, 4, 1])).toEqual([1, 4, 0]);
});

test('the longest waiter gets a turn in between, however many more urgent ones come', async () => {
  const order = await orderOf(new Turns(options), [4, 1, 1, 1, 1, 1, 1, 1]);
  expect(order.indexOf(4)).toBeLessThan(4);
});

test('only the urgent use the turns beyond the limit, and the others keep theirs', async () => {
  const turns = new Turns({ ...options, express: 1 });
  const plain = [await turns.take(signal, 4), await turns.take(signal, 3)];
  const express = await turns.take(signal, 2);
  expect(turns.runningCount).toBe(3);
  const admitted: number[] = [];
  for (const priority of [4, 1]) {
    void turns.take(signal, priority).then(() => admitted.push(priority));
  }
  express();
  await new Promise(setImmediate);
  expect([admitted, turns.runningCount]).toEqual([[1], 3]);
  plain[0]?.();
  await new Promise(setImmediate);
  expect([admitted, turns.runningCount]).toEqual([[1, 4], 3]);
});

test('who is gone before it asks takes no turn and keeps no place', async () => {
  const turns = new Turns({ limit: 1, maxWaiting: 16, maxWaitMs: 60_000 });
  const release = await turns.take(signal);
  await expect(turns.take(AbortSignal.abort())).rejects.toMatchObject({ exceptionCode: 394 });
  release();
  expect(turns.runningCount).toBe(0);
});

test('a light query of a search passes heavy ones, and who may not wait is told at once', async () => {
  const share = new SearchShare(2);
  const heavy: SearchClaim = { kind: 'search', weight: 'heavy', waitMs: 0 };
  const light: SearchClaim = { kind: 'search', weight: 'light', waitMs: 60_000 };
  const release = await share.take(heavy, signal);
  await expect(share.take(heavy, signal)).rejects.toMatchObject({ exceptionCode: 202 });
  (await share.take(light, signal))();
  release();
  (await share.take(heavy, signal))();
});

test('heavy searches have half the cores, and one at least', () => {
  expect([1, 2, 4, 8, 16, 64].map((cores) => heavyShareOf(cores))).toEqual([
    { turns: 1, threads: 1 },
    { turns: 1, threads: 1 },
    { turns: 1, threads: 2 },
    { turns: 2, threads: 2 },
    { turns: 4, threads: 2 },
    { turns: 4, threads: 8 },
  ]);
});
