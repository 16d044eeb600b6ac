/**
 * The production machines as the simulation runs them: a copy of packages/protocol whose private fields can be read from
 * outside, so that the size of everything that they hold can be measured (census.ts). A mutation changes the copy.
 *
 * Invariants: nothing of the working tree is changed; but for the names of its private fields, a copy is what was copied.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Machines } from './world.ts';

const PROTOCOL = path.join(import.meta.dirname, '..', 'protocol');

/** @param change what is done to the copy before it is loaded. */
export async function loadMachines(change: (directory: string) => void = () => undefined): Promise<Machines> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-machines-'));
  try {
    cpSync(PROTOCOL, directory, { recursive: true, filter: (source) => !source.endsWith('.test.ts') });
    change(directory);
    for (const name of readdirSync(directory)) if (name.endsWith('.ts')) open(path.join(directory, name));
    const at = (file: string): string => pathToFileURL(path.join(directory, file)).href;
    // Modules of a path that is known at run time only: the copies have the types of their originals.
    const agent = (await import(at('agent-machine.ts'))) as Pick<Machines, 'createAgentMachine'>;
    const server = (await import(at('server-machine.ts'))) as Pick<Machines, 'createServerMachine'>;
    const { createAgentMachine } = agent;
    const { createServerMachine } = server;
    return { createAgentMachine, createServerMachine, isOpen: true };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes the private fields of a source ordinary ones, of a name that no other has. */
function open(file: string): void {
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(/(?<![\w'"`])#(?=[a-z])/g, OPENED));
}

/** How the name of a field begins that was private. */
export const OPENED = 'opened_';
