/**
 * The whole simulation, loaded from a copy of the packages that it is made of: for mutations of what is not in
 * packages/protocol, the server's memory of blocks and the simulated shells.
 *
 * Invariant: nothing of the working tree is changed.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Outcome } from './simulation.ts';

const PACKAGES = path.join(import.meta.dirname, '..');
/** What the simulation imports. */
const NEEDED = ['protocol', 'server', 'sim', 'wire'];

export interface LoadedWorld {
  readonly judgeSeed: (seed: number) => Outcome;
}

/** @param change what is done to the copy of `packages` before it is loaded. */
export async function loadWorld(change: (packages: string) => void): Promise<LoadedWorld> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-world-'));
  try {
    const packages = path.join(directory, 'packages');
    const scope = path.join(directory, 'node_modules', '@sluice');
    mkdirSync(scope, { recursive: true });
    for (const name of NEEDED) {
      const isWanted = (source: string): boolean => !/\.test\.ts$|\/node_modules$/.test(source);
      cpSync(path.join(PACKAGES, name), path.join(packages, name), { recursive: true, filter: isWanted });
      symlinkSync(path.join(packages, name), path.join(scope, name));
    }
    change(packages);
    const file = path.join(packages, 'sim', 'run-seed.ts');
    // A module of a path that is known at run time only: the copy has the types of its original.
    return (await import(pathToFileURL(file).href)) as LoadedWorld;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
