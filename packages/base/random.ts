/**
 * A tiny deterministic random sequence (mulberry32) for jitter: the seed is an option, the state is data, so a run can
 * be repeated exactly.
 *
 * Invariants of this module: same seed, same sequence; not for secrets.
 */

/** State of one sequence; advanced in place. */
export interface RandomState {
  value: number;
}

/** Starts a sequence from a seed (any integer). */
export function createRandom(seed: number): RandomState {
  return { value: seed >>> 0 };
}

/** The next number of the sequence, 0 (included) to 1 (not included). */
export function nextRandom(state: RandomState): number {
  state.value = (state.value + 0x6d2b79f5) >>> 0;
  let mixed = state.value;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}

/** A sequence of numbers from 0 (included) to 1 (not included), the same for the same seed. */
export function createChance(seed: number): () => number {
  const state = createRandom(seed);
  return () => nextRandom(state);
}
