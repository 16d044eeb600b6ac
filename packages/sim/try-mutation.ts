/**
 * Breaks one rule in a copy of the packages, and runs seeds with what is broken until a checker notices.
 *
 * Invariants: nothing of the working tree is changed; a replacement that no longer applies is an error.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CheckFailure } from './checkers/checker.ts';
import { isOfMachines, loadMachines } from './load-machines.ts';
import { loadWorld } from './load-world.ts';
import type { Mutation } from './mutation.ts';
import { drawOptions } from './options.ts';
import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { judgeOptions } from './run-seed.ts';
import type { Outcome } from './simulation.ts';

/** Each must be caught within this many seeds. */
export const MAX_SEEDS = 1_000;

/** What became of one broken rule. */
export interface MutationResult {
  /** The first seed that caught it; undefined for none. */
  readonly seed: number | undefined;
  readonly checker: string | undefined;
  /** Regression seeds of this fault that do not show it any more: their worlds have changed. */
  readonly blindSeeds: readonly number[];
}

/** Breaks one rule, and runs seeds from 1 until a checker notices; then those that are kept because they once showed it. */
export async function tryMutation(mutation: Mutation, maxSeeds: number = MAX_SEEDS): Promise<MutationResult> {
  const judge = await loadBroken(mutation);
  const failureAt = (seed: number): CheckFailure | undefined => judge(seed).failure;
  const blindSeeds = REGRESSION_SEEDS.filter(({ mutation: fault }) => fault === mutation.name)
    .map(({ seed }) => seed)
    .filter((seed) => failureAt(seed) === undefined);
  for (let seed = 1; seed <= maxSeeds; seed += 1) {
    const failure = failureAt(seed);
    if (failure !== undefined) return { seed, checker: failure.checker, blindSeeds };
  }
  return { seed: undefined, checker: undefined, blindSeeds };
}

async function loadBroken(mutation: Mutation): Promise<(seed: number) => Outcome> {
  const change = (packages: string): void => apply(mutation, packages);
  if (!isOfMachines(mutation.file)) return (await loadWorld(change)).judgeSeed;
  const machines = await loadMachines(change);
  return (seed) => judgeOptions(drawOptions(seed), machines);
}

/** @throws Error when the text does not occur exactly once. */
function apply({ name, file, from, to }: Mutation, packages: string): void {
  const target = path.join(packages, file);
  const source = readFileSync(target, 'utf8');
  const count = source.split(from).length - 1;
  if (count !== 1) throw new Error(`"${name}" no longer applies: its text occurs ${count} times in ${file}`);
  writeFileSync(
    target,
    source.replace(from, () => to),
  );
}
