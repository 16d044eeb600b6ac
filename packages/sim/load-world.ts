/**
 * The whole simulation, loaded from a copy of the packages that it is made of: for mutations of what is not in the
 * machines, the server's memory of blocks and the simulated shells.
 *
 * Invariant: nothing of the working tree is changed.
 */
import path from 'node:path';
import { importFile, type PackagesChange, withCopiedPackages } from './copied-packages.ts';
import type { Outcome } from './simulation.ts';

/** What the simulation imports. */
const NEEDED = ['agent', 'base', 'block', 'protocol', 'server', 'sim', 'wire'];

export interface LoadedWorld {
  readonly judgeSeed: (seed: number) => Outcome;
}

/** @param change what is done to the copy before it is loaded. */
export function loadWorld(change: PackagesChange): Promise<LoadedWorld> {
  return withCopiedPackages(NEEDED, (packages) => {
    change(packages);
    return importFile<LoadedWorld>(path.join(packages, 'sim', 'run-seed.ts'));
  });
}
