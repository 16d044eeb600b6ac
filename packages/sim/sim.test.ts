/** The production machines in simulated worlds: fixed seeds, seeds that failed once, and new ones. */
import { expect, test } from 'vitest';
import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { judgeSeed, runSeed } from './run-seed.ts';

/** Runs in about 15 s. */
const FIXED_SEEDS = 600;
const FRESH_SEEDS = 600;
/** Seeds of the fixed set start here, fresh ones far behind it. */
const FIRST_SEED = 1;

function failuresOf(first: number, count: number): string[] {
  const failures: string[] = [];
  for (let seed = first; seed < first + count; seed += 1) {
    const { failure } = judgeSeed(seed);
    if (failure !== undefined)
      failures.push(`sluice sim --seed ${seed}: ${failure.checker}: ${failure.message}`);
  }
  return failures;
}

test('the same seed runs exactly the same again, another one differently', () => {
  const [first, again, other] = [runSeed(7), runSeed(7), runSeed(8)].map(({ outcome }) => outcome.hash);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

test('simulation: fixed seeds keep all rules', () => {
  expect(failuresOf(FIRST_SEED, FIXED_SEEDS)).toEqual([]);
});

test('simulation: fresh seeds keep all rules', () => {
  const first = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
  // Named in the failure, for whoever wants to see it again.
  expect(failuresOf(first, FRESH_SEEDS), `seeds from ${first}`).toEqual([]);
});

test.each(REGRESSION_SEEDS)('simulation: seed $seed, found $reason', ({ seed }) => {
  expect(failuresOf(seed, 1)).toEqual([]);
});
