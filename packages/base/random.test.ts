import { expect, test } from 'vitest';
import { Random } from './random.ts';

const drawn = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

test('Random: the same seed gives the numbers of mulberry32, another seed or name gives others', () => {
  // The first numbers of the algorithm for seed 1: what simulations and machines draw must not change between versions.
  expect(drawn(new Random(1), 3)).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  expect(drawn(new Random(1), 3)).toEqual(drawn(new Random(1), 3));
  const sequences = [new Random(1), new Random(2), new Random(1, 'faults'), new Random(1, 'sizes')];
  expect(new Set(sequences.map((random) => random.next())).size).toBe(4);
});

test('Random: what is drawn keeps its bounds', () => {
  const random = new Random(7, 'bounds');
  const ints = Array.from({ length: 2_000 }, () => random.int(3, 6));
  expect([Math.min(...ints), Math.max(...ints)]).toEqual([3, 6]);
  const skewed = Array.from({ length: 2_000 }, () => random.skewed(1, 1_000));
  expect(skewed.every((value) => value >= 1 && value <= 1_000 && Number.isInteger(value))).toBe(true);
  // Even over the logarithm: half of them are below the geometric mean.
  const small = skewed.filter((value) => value < 32).length;
  expect(small).toBeGreaterThan(800);
  expect(small).toBeLessThan(1_200);
  expect(new Set(Array.from({ length: 200 }, () => random.pick(['a', 'b', 'c'])))).toEqual(
    new Set(['a', 'b', 'c']),
  );
  expect(random.chance(0)).toBe(false);
  expect(random.chance(1)).toBe(true);
  expect(random.untilNextMs(0)).toBe(Number.POSITIVE_INFINITY);
  expect(random.untilNextMs(60_000)).toBeGreaterThanOrEqual(1);
});
