/**
 * Makes sure that an LMDB file can be opened before it is: looks at it, and where it is damaged, saves what can be saved.
 *
 * Each start walks the structure of the file (check.ts), and its owner judges the entries. After starts that failed, all of it is read too, in a process of its
 * own (probe.ts), because something that the walk does not know may be what ends them. A damaged file is
 * copied, as far as it can be read, into a new one, and kept under another name for people.
 *
 * Invariants: a sound file is not changed; what is damaged is renamed, not deleted, as long as no more than
 * {@link MAX_DAMAGED_FILES} are there; after a crash at any moment the next start does the same again.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { checkUsableFile } from '@sluice/host/file-problem';
import { syncDirectory } from '../durable-file.ts';
import { lmdbDamage } from './check.ts';
import type { EntryJudge } from './entry-judge.ts';
import { probeLmdb } from './probe.ts';
import { type Salvage, salvageLmdb } from './salvage.ts';

/** Damaged files that are kept beside the one in use: two tell whether it was once or goes on; more only take the disk. */
const MAX_DAMAGED_FILES = 2;

/** One may be a `kill -9` or a power cut; reading all of the file after each of these would keep it closed for long. */
const FAILED_STARTS_TO_PROBE = 2;

export interface SoundFileOptions {
  readonly file: string;
  /** For the reader: "the queue". */
  readonly what: string;
  /** Makes one that has seen nothing yet. */
  readonly judge: () => EntryJudge;
  /** Starts in a row that ended soon, and not in order: from {@link FAILED_STARTS_TO_PROBE} on, the file is suspected. */
  readonly failedStarts: number;
}

export type SoundFile =
  /** There is none, or an empty one: the library makes it. */
  { readonly kind: 'absent' } | { readonly kind: 'sound' } | Salvaged;

export interface Salvaged {
  readonly kind: 'salvaged';
  /** What was found. */
  readonly reason: string;
  /** Where the damaged file is now. */
  readonly keptAs: string;
  readonly salvage: Salvage;
}

/**
 * @throws SluiceError `config_invalid` when the file cannot be used, `disk_full` when what was saved finds no room,
 *   `state_newer`
 */
export async function makeSound(options: SoundFileOptions): Promise<SoundFile> {
  const { file, what, judge, failedStarts } = options;
  for (const other of [`${file}-lock`, salvageFile(file)]) checkUsableFile(what, other);
  const size = checkUsableFile(what, file);
  // A crash between the two renames of a salvage leaves only the copy, which is whole.
  if (size === undefined && existsSync(salvageFile(file))) renameSync(salvageFile(file), file);
  else if (size === undefined || size === 0) return { kind: 'absent' };
  const suspicion = failedStarts < FAILED_STARTS_TO_PROBE ? noSuspicion : probeLmdb;
  const reason = lmdbDamage(file, judge()) ?? (await suspicion(file, judge().names));
  return reason === undefined ? { kind: 'sound' } : await salvageFileOf(options, reason);
}

/** Saves what can be saved of a file that turned out to be damaged, for `reason`. Nobody may have it open. */
export async function salvageFileOf(
  { file, judge }: Pick<SoundFileOptions, 'file' | 'judge'>,
  reason: string,
): Promise<Salvaged> {
  const copy = salvageFile(file);
  const salvage = await salvageLmdb(file, copy, judge());
  const keptAs = `${file}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
  dropOldest(file);
  renameSync(file, keptAs);
  renameSync(copy, file);
  rmSync(`${file}-lock`, { force: true });
  syncDirectory(path.dirname(file));
  return { kind: 'salvaged', reason, keptAs, salvage };
}

/** Makes room for one more damaged file. Their names sort by time. */
function dropOldest(file: string): void {
  const directory = path.dirname(file);
  const kept = readdirSync(directory)
    .filter((name) => name.startsWith(`${path.basename(file)}.damaged-`))
    .sort();
  for (const name of kept.slice(0, Math.max(0, kept.length - MAX_DAMAGED_FILES + 1)))
    rmSync(path.join(directory, name), { force: true });
}

async function noSuspicion(): Promise<undefined> {
  // What the walk says is enough.
}

function salvageFile(file: string): string {
  return `${file}.salvage`;
}
