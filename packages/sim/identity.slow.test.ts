/** U25: worlds in which data directories come back older, are there twice, and names are taken. */
import { expect, test } from 'vitest';
import { createCheckers } from './checkers/all.ts';
import type { Checker } from './checkers/checker.ts';
import { drawOptions } from './options.ts';
import { PRODUCTION } from './run-seed.ts';
import { simulate } from './simulation.ts';
import { Trace } from './trace.ts';
import type { Observation } from './world.ts';

const SEEDS = 120;

/** Counts what a world must show for its outcome to say anything. */
class Seen implements Checker {
  readonly counts: Record<string, number> = {};

  observe(observation: Observation): void {
    const name = observation.type === 'block_journaled' ? observation.recognition : observation.type;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

test('U25 directories that roll back, computers that do, copies and forgers: every line is found, none is acknowledged that is not there', () => {
  const seen = new Seen();
  const failures: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const options = drawOptions(seed);
    const { clones, forgers, directoriesPutBackPerMinute, computersPutBackPerMinute } = options.faults;
    if (clones + forgers + directoriesPutBackPerMinute + computersPutBackPerMinute === 0) continue;
    const checkers = [...createCheckers(options), seen];
    const { failure } = simulate(options, PRODUCTION, checkers, new Trace(undefined, false));
    if (failure !== undefined)
      failures.push(`sluice sim --seed ${seed}: ${failure.checker}: ${failure.message}`);
  }
  expect(failures).toEqual([]);
  for (const name of [
    'directory_put_back',
    'directory_copied',
    'name_taken',
    'epoch_shared',
    'conflict',
    'unsure',
  ])
    expect(seen.counts[name] ?? 0, name).toBeGreaterThan(0);
});
