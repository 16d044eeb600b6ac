/** Damage to files, from seeds, for the tests of what is durable. Not part of any program. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';

/** How many seeds are tried: a few with each run of the tests, as many as the environment says otherwise. */
export const DAMAGE_SEEDS: number = Number(process.env.SLUICE_DAMAGE_SEEDS ?? 12);
const FLIPPED_BITS: readonly number[] = [1, 5, 20, 100, 500];
/** Of so many seeds one cuts the file, and one empties it. */
const KINDS = 7;

/** Damages the file: flips bits, or cuts it, or empties it. Returns what was done, in words. */
export function damageFile(file: string, seed: number): string {
  const random = createRandom(seed);
  const bytes = readFileSync(file);
  const kind = seed % KINDS;
  if (kind === FLIPPED_BITS.length) {
    const length = Math.floor(random() * bytes.length);
    truncateSync(file, length);
    return `seed ${seed}: cut to ${length} of ${bytes.length} bytes`;
  }
  const flips = FLIPPED_BITS[kind];
  if (flips === undefined) {
    truncateSync(file, 0);
    return `seed ${seed}: emptied`;
  }
  for (let flip = 0; flip < flips; flip += 1) {
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  writeFileSync(file, bytes);
  return `seed ${seed}: ${flips} bits flipped`;
}

/** xorshift32: the same seed does the same damage. */
export function createRandom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
