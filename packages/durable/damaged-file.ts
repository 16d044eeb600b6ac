/** Keeps a file that cannot be read, under another name, for a person to look at: what is damaged is never written over. */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { syncDirectory } from './durable-file.ts';

/** Two tell whether it was once or goes on; more only take the disk. */
export const MAX_DAMAGED_FILES = 2;

/**
 * Renames the file to {@link damagedNameOf} it.
 *
 * @returns its new path. Throws what the file system says.
 */
export function keepDamagedFile(file: string): string {
  const keptAs = damagedNameOf(file);
  renameSync(file, keptAs);
  dropOldDamagedFiles(file);
  syncDirectory(path.dirname(file));
  return keptAs;
}

/** `FILE.damaged-TIME`: what the file is called from now on when it is damaged. */
export function damagedNameOf(file: string): string {
  return `${file}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
}

/** Of the damaged files that lie beside the file, the latest {@link MAX_DAMAGED_FILES} stay. Throws what the file system says. */
export function dropOldDamagedFiles(file: string): void {
  const directory = path.dirname(file);
  // Their names sort by time.
  const kept = readdirSync(directory)
    .filter((name) => name.startsWith(`${path.basename(file)}.damaged-`))
    .sort();
  for (const name of kept.slice(0, -MAX_DAMAGED_FILES)) rmSync(path.join(directory, name), { force: true });
}
