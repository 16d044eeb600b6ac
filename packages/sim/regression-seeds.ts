/** Seeds that found a fault of the machines once, each with what it was. They are run by every test run. */

export interface RegressionSeed {
  readonly seed: number;
  readonly reason: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  { seed: 679, reason: 'U14: an agent that restarted forgot all doubts about a block but the latest' },
  { seed: 586, reason: 'U14: a send that failed in the own queue took back the doubt about its server' },
  {
    seed: 294,
    reason: 'U14: a block refused by the own queue left its server before its time in doubt was over',
  },
];
