import { expect, test } from 'vitest';
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

test('who waits with a higher priority goes first, and none at all is the lowest', async () => {
  expect(await orderOf(new Turns(options), [0, 4, 1])).toEqual([1, 4, 0]);
});

test('who waits longest gets a turn in between, however many more urgent ones come', async () => {
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
