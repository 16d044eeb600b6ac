import { expect, test } from 'vitest';
import { createSteadyClock } from './steady-clock.ts';

function clockAt(startMs: number): {
  now: () => number;
  pass: (ms: number) => void;
  set: (byMs: number) => void;
} {
  let timeOfDayMs = startMs;
  let elapsedMs = 5_000;
  const now = createSteadyClock({ timeOfDayMs: () => timeOfDayMs, elapsedMs: () => elapsedMs });
  return {
    now,
    pass: (ms) => {
      timeOfDayMs += ms;
      elapsedMs += ms;
    },
    set: (byMs) => {
      timeOfDayMs += byMs;
    },
  };
}

test('tells the time of day in whole ms', () => {
  const clock = clockAt(1_000_000.75);
  expect(clock.now()).toBe(1_000_000);
  clock.pass(1_500);
  expect(clock.now()).toBe(1_001_500);
});

test('a clock that is set back changes nothing, time passes on', () => {
  const clock = clockAt(1_000_000);
  clock.now();
  clock.set(-3_600_000);
  expect(clock.now()).toBe(1_000_000);
  clock.pass(20);
  expect(clock.now()).toBe(1_000_020);
  // Until the time of day is later again.
  clock.set(3_600_500);
  expect(clock.now()).toBe(1_000_520);
});

test('a clock that is set ahead is followed at once', () => {
  const clock = clockAt(1_000_000);
  clock.now();
  clock.set(60_000);
  expect(clock.now()).toBe(1_060_000);
});
