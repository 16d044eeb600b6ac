/**
 * Breaks one rule in a copy of packages/protocol, and runs seeds with the broken machines until a checker notices.
 *
 * Invariants: nothing of the working tree is changed; a replacement that no longer applies is an error.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CheckFailure } from './checkers/checker.ts';
import type { Mutation } from './mutation-list.ts';
import { drawOptions } from './options.ts';
import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { judgeOptions } from './run-seed.ts';
import type { Machines } from './world.ts';

/** Each must be caught within so many seeds. */
export const MAX_SEEDS = 1_000;
const PROTOCOL = path.join(import.meta.dirname, '..', 'protocol');

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
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-mutation-'));
  try {
    cpSync(PROTOCOL, directory, { recursive: true });
    apply(mutation, directory);
    const machines = await load(directory);
    const failureAt = (seed: number): CheckFailure | undefined =>
      judgeOptions(drawOptions(seed), machines).failure;
    const blindSeeds = REGRESSION_SEEDS.filter(({ mutation: fault }) => fault === mutation.name)
      .map(({ seed }) => seed)
      .filter((seed) => failureAt(seed) === undefined);
    for (let seed = 1; seed <= maxSeeds; seed += 1) {
      const failure = failureAt(seed);
      if (failure !== undefined) return { seed, checker: failure.checker, blindSeeds };
    }
    return { seed: undefined, checker: undefined, blindSeeds };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @throws Error when the text does not occur exactly once. */
function apply({ name, file, from, to }: Mutation, directory: string): void {
  const target = path.join(directory, file);
  const source = readFileSync(target, 'utf8');
  const count = source.split(from).length - 1;
  if (count !== 1) throw new Error(`"${name}" no longer applies: its text occurs ${count} times in ${file}`);
  writeFileSync(
    target,
    source.replace(from, () => to),
  );
}

async function load(directory: string): Promise<Machines> {
  const at = (file: string): string => pathToFileURL(path.join(directory, file)).href;
  // Modules of a path that is known at run time only: the copies have the types of their originals.
  const agent = (await import(at('agent-machine.ts'))) as Pick<Machines, 'createAgentMachine'>;
  const server = (await import(at('server-machine.ts'))) as Pick<Machines, 'createServerMachine'>;
  return { createAgentMachine: agent.createAgentMachine, createServerMachine: server.createServerMachine };
}
