import { expect, test } from 'vitest';
import { RecentIncrease } from './recent-increase.ts';

test('only what was added in the window counts', () => {
  const increase = new RecentIncrease(60_000, 1_000);
  expect(increase.read(7, 0)).toBe(0);
  expect(increase.read(9, 1_000)).toBe(2);
  expect(increase.read(9, 59_000)).toBe(2);
  expect(increase.read(9, 61_000)).toBe(0);
  expect(increase.read(10, 200_000)).toBe(1);
});

test('asked more often than the pause it is still right', () => {
  const increase = new RecentIncrease(60_000, 1_000);
  for (let ms = 0; ms <= 500; ms += 10) increase.read(ms, ms);
  expect(increase.read(900, 600)).toBe(900);
});
