/**
 * Chance in tests. All of it comes from one seed, so that a failure can be seen again: a test that fails prints its seed,
 * and `SLUICE_SEED` sets it. Properties have theirs from there too (seed-properties.ts).
 */
import { createCipheriv, createHash, randomInt } from 'node:crypto';
import { onTestFailed } from 'vitest';

const SEEDS = 2 ** 31;

/** What `SLUICE_SEED` says; undefined when it is not set. A whole number. */
export function givenSeed(): number | undefined {
  const given = process.env.SLUICE_SEED;
  if (given === undefined) return undefined;
  const seed = Number(given);
  if (!Number.isInteger(seed)) throw new Error(`SLUICE_SEED is no whole number: ${given}`);
  return seed;
}

/** The seed of the present test; to be called in a test, not outside of one. A whole number. */
export function drawSeed(): number {
  const seed = givenSeed() ?? randomInt(SEEDS);
  onTestFailed(
    () => void process.stderr.write(`what chance did here comes again with SLUICE_SEED=${seed}\n`),
  );
  return seed;
}

/** Bytes that do not compress: the same for the same seed and length. */
export function noiseBytes(seed: number, length: number): Buffer {
  const key = createHash('sha256').update(`noise ${seed}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
