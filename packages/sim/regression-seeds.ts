/**
 * Seeds that show a fault which the simulation found once. Worlds change when the simulator draws anew or a machine
 * behaves otherwise: `npm run sim:mutations` puts the fault back and says when a seed does not show it any more.
 */

export interface RegressionSeed {
  readonly seed: number;
  readonly reason: string;
  /** Name of the mutation that puts the fault back; undefined when it was one of the shells, which the simulator models. */
  readonly mutation?: string;
}

export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  {
    seed: 202,
    reason: 'U14: an agent that restarted forgot all doubts about a block but the latest',
    mutation: 'an agent that restarted forgets all doubts but the latest',
  },
  {
    seed: 234,
    reason: 'U14: a send that failed in the own queue took back the doubt about its server',
    mutation: 'a send that failed in the own queue takes back an earlier doubt',
  },
  {
    seed: 215,
    reason: 'U14: a block refused by the own queue left its server before its time in doubt was over',
    mutation: 'a refused block leaves its server before its time in doubt is over',
  },
  { seed: 451, reason: 'U14: two servers brought the same blocks into the store at the same moment' },
  {
    seed: 205,
    reason: 'U2: a next block that waited for a server that was away was named as one of 0 bytes',
    mutation: 'a next block that waits for a server that is away is not named',
  },
  {
    seed: 218,
    reason: 'U17: quota of a lost connection was lost to the limit',
    mutation: 'the limit gets nothing back of a lost connection',
  },
  {
    seed: 274,
    reason: 'U17: requests behind one that could not be served waited although there was room',
    mutation: 'who stands behind a refused one is left standing',
  },
  {
    seed: 700_036_125,
    reason:
      'U17: remains of quota too small for the next block counted as held, and their agent was granted the least ever after',
    mutation: 'remains of quota are kept until they end',
  },
  {
    seed: 3,
    reason:
      'U2: the answer to a replaced request made the agent ask again: grants to requests that it had forgotten were lost',
    mutation: 'the answer to a replaced request lets ask again',
  },
  {
    seed: 700_000_417,
    reason:
      'U25: another content at a position of which digests were forgotten made the first one a conflict when it came again',
  },
  {
    seed: 900_008_807,
    reason: 'U14: a copy that came late was deleted while the copy of the other server was still hidden',
  },
];
