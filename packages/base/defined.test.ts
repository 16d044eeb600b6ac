import { expect, test } from 'vitest';
import { defined } from './defined.ts';

test('keeps what has a value, also an empty one', () => {
  const bag: { a: number | undefined; b: string; c: null; d?: boolean } = {
    ...{ a: undefined, b: '', c: null },
  };
  expect(Object.entries(defined(bag))).toEqual([
    ['b', ''],
    ['c', null],
  ]);
  const strict: { a?: number; b: string } = defined(bag);
  expect('a' in strict).toBe(false);
});
