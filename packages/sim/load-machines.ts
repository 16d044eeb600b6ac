/**
 * The production machines as the simulation runs them: a copy of the pure packages whose private fields can be read from
 * outside, so that the size of everything that they hold can be measured (census.ts). A mutation changes the copy.
 *
 * Invariants: nothing of the working tree is changed; but for the names of its private fields, a copy is what was copied.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { importFile, type PackagesChange, withCopiedPackages } from './copied-packages.ts';
import type { Machines } from './world.ts';

/** What the machines are made of. */
const MACHINE_PACKAGES = ['base', 'protocol'];

/** Whether a file, named from `packages`, is part of what {@link loadMachines} loads. */
export function isOfMachines(file: string): boolean {
  return MACHINE_PACKAGES.includes(file.split('/', 1)[0] ?? '');
}

/** @param change what is done to the copy before it is loaded. */
export function loadMachines(change: PackagesChange = () => undefined): Promise<Machines> {
  return withCopiedPackages(MACHINE_PACKAGES, async (packages) => {
    change(packages);
    for (const file of globSync('**/*.ts', { cwd: packages })) open(path.join(packages, file));
    const protocol = path.join(packages, 'protocol');
    const agent = await importFile<Pick<Machines, 'createAgentMachine'>>(
      path.join(protocol, 'agent-machine.ts'),
    );
    const server = await importFile<Pick<Machines, 'createServerMachine'>>(
      path.join(protocol, 'server-machine.ts'),
    );
    const { createAgentMachine } = agent;
    const { createServerMachine } = server;
    return { createAgentMachine, createServerMachine, isOpen: true };
  });
}

/** Makes the private fields of a source ordinary ones, of a name that no other has. */
function open(file: string): void {
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(/(?<![\w'"`])#(?=[a-z])/g, OPENED));
}

/** How the name of a field begins that was private. */
export const OPENED = 'opened_';
