/** Keeps a file that cannot be read, under another name, for a person to look at: what is damaged is never written over. */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { syncDirectory } from './durable-file.ts';

/** Two tell whether it was once or goes on; more only take the disk. */
export const MAX_DAMAGED_FILES = 2;

/**
 * Renames the file to `FILE.damaged-TIME`. Of those that lie there already, the latest ones stay.
 *
 * @returns its new path. Throws what the file system says.
 */
export function keepDamagedFile(file: string): string {
  const directory = path.dirname(file);
  const prefix = `${path.basename(file)}.damaged-`;
  const keptAs = path.join(directory, `${prefix}${new Date().toISOString().replaceAll(':', '-')}`);
  renameSync(file, keptAs);
  // Their names sort by time.
  const kept = readdirSync(directory)
    .filter((name) => name.startsWith(prefix))
    .sort();
  for (const name of kept.slice(0, -MAX_DAMAGED_FILES)) rmSync(path.join(directory, name), { force: true });
  syncDirectory(directory);
  return keptAs;
}
