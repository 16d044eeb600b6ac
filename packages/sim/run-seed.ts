/** Runs one seed with the production machines (or others) and all checkers. */
import { createCheckers } from './checkers/all.ts';
import { loadMachines } from './load-machines.ts';
import type { SimOptions } from './options.ts';
import { drawOptions } from './options.ts';
import type { Outcome } from './simulation.ts';
import { simulate } from './simulation.ts';
import { Trace } from './trace.ts';
import type { Machines } from './world.ts';

/** The production machines, which can be measured. */
export const PRODUCTION: Machines = await loadMachines();

export interface SeedRun {
  readonly outcome: Outcome;
  readonly trace: Trace;
}

/** Runs a world with its trace. @param print called with each line of it. */
export function runOptions(
  options: SimOptions,
  machines: Machines = PRODUCTION,
  print?: (line: string) => void,
): SeedRun {
  const trace = new Trace(print);
  const outcome = simulate(options, machines, createCheckers(options), trace);
  return { outcome, trace };
}

/** Runs a world for its outcome alone, a third faster; its hash says nothing. */
export function judgeOptions(options: SimOptions, machines: Machines = PRODUCTION): Outcome {
  return simulate(options, machines, createCheckers(options), new Trace(undefined, false));
}

export function judgeSeed(seed: number): Outcome {
  return judgeOptions(drawOptions(seed));
}
