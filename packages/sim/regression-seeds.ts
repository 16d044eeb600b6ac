/**
 * Seeds that show a fault which the simulation found once. Worlds change when the simulator draws anew, so each was looked for
 * again: it fails when the fault is put back (mutation-list.ts has most of them).
 */

export interface RegressionSeed {
  readonly seed: number;
  readonly reason: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [];
