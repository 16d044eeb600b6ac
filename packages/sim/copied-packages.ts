/**
 * A copy of packages in a directory of its own, where modules can be changed before they are loaded.
 *
 * Invariants: nothing of the working tree is changed; imports between copied packages lead to the copies.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const PACKAGES = path.join(import.meta.dirname, '..');

/** A change of a copy; it gets the directory that stands for `packages`. */
export type PackagesChange = (packages: string) => void;

/** Copies the named packages, hands the copy out, and removes it when what was made of it is loaded. */
export async function withCopiedPackages<T>(
  names: readonly string[],
  load: (packages: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-packages-'));
  try {
    const packages = path.join(directory, 'packages');
    const scope = path.join(directory, 'node_modules', '@sluice');
    mkdirSync(scope, { recursive: true });
    for (const name of names) {
      const isWanted = (source: string): boolean => !/\.test\.ts$|\/node_modules$/.test(source);
      cpSync(path.join(PACKAGES, name), path.join(packages, name), { recursive: true, filter: isWanted });
      symlinkSync(path.join(packages, name), path.join(scope, name));
    }
    return await load(packages);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Loads a module of a path that is known at run time only: the caller says what the original exports. */
export async function importFile<T>(file: string): Promise<T> {
  return (await import(pathToFileURL(file).href)) as T;
}
