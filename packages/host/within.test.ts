import { expect, test } from 'vitest';
import { within } from './within.ts';

test('says whether it came in time', async () => {
  expect(await within(Promise.resolve('something'), 60_000)).toBe(true);
  expect(await within(new Promise(() => undefined), 1)).toBe(false);
});

test('throws what the promise is rejected with', async () => {
  await expect(within(Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no');
});
