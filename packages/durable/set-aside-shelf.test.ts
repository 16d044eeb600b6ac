import { expect, test } from 'vitest';
import { MAX_SET_ASIDE_BLOCKS, SetAsideShelf } from './set-aside-shelf.ts';

test('blocks stay in the order of their numbers, also one that is put back, and the oldest go first', () => {
  const shelf = new SetAsideShelf([2, 1, 3].map((number) => ({ number, payloadBytes: 10 })));
  const [taken] = shelf.take([1]);
  if (taken !== undefined) shelf.put(taken);
  expect(shelf.blocks().map(({ number }) => number)).toEqual([1, 2, 3]);
  for (let number = 4; number <= MAX_SET_ASIDE_BLOCKS + 1; number += 1)
    shelf.put({ number, payloadBytes: 10 });
  expect(shelf.evict().map(({ number }) => number)).toEqual([1]);
  expect([shelf.blockCount, shelf.payloadBytes]).toEqual([MAX_SET_ASIDE_BLOCKS, 10 * MAX_SET_ASIDE_BLOCKS]);
});
