import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WakeTimer } from './wake-timer.ts';

let woken: number[] = [];
const start = (): WakeTimer => new WakeTimer(Date.now, () => woken.push(Date.now()));

beforeEach(() => {
  woken = [];
  vi.useFakeTimers({ now: 1_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

test('a new wish replaces the earlier one, whichever is sooner', () => {
  const timer = start();
  timer.set(1_500);
  timer.set(1_200);
  timer.set(3_000);
  vi.advanceTimersByTime(10_000);
  expect(woken).toEqual([3_000]);
});

test('a wish that is past wakes at once, and a cancelled one never', () => {
  const timer = start();
  timer.set(400);
  vi.advanceTimersByTime(0);
  expect(woken).toEqual([1_000]);
  timer.set(2_000);
  timer.cancel();
  vi.advanceTimersByTime(10_000);
  expect(woken).toEqual([1_000]);
});

test('a wish beyond the longest timer of the platform does not wake at once', () => {
  const timer = start();
  timer.set(Number.MAX_SAFE_INTEGER);
  vi.advanceTimersByTime(1_000_000);
  expect(woken).toEqual([]);
});
