/**
 * Small questions to the file system that the file source asks.
 */
import { fstatSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileKey } from './file-checkpoint.ts';

/** Entries looked at to find where a renamed file went: rotation leaves a handful of names, not thousands. */
const MAX_SIBLINGS = 2000;

/** Keys of the files that this process's own output goes to: following them would feed the agent its own words. */
export function ownOutputFiles(): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const descriptor of [1, 2]) {
    try {
      const stats = fstatSync(descriptor);
      if (stats.isFile()) keys.add(fileKey(stats.dev, stats.ino));
    } catch {
      // A closed output is nobody's file.
    }
  }
  return keys;
}

/** `device:inode` of the directories that exist. */
export function directoryIdentities(directories: readonly string[]): ReadonlySet<string> {
  const identities = new Set<string>();
  for (const directory of directories) {
    const stats = statSync(directory, { throwIfNoEntry: false });
    if (stats !== undefined) identities.add(`${stats.dev}:${stats.ino}`);
  }
  return identities;
}

/** Paths of the files in a directory by inode; empty when it cannot be read. */
export async function pathsByInode(directory: string): Promise<Map<number, string>> {
  const paths = new Map<number, string>();
  const names = await readdir(directory).catch(() => []);
  for (const name of names.slice(0, MAX_SIBLINGS)) {
    const file = path.join(directory, name);
    const stats = await stat(file).catch(() => undefined);
    if (stats?.isFile()) paths.set(stats.ino, file);
  }
  return paths;
}
