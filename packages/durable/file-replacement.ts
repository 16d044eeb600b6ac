/**
 * Puts a new file in the place of one that is damaged, gone or was never there, so that after a crash at any moment nothing is
 * lost without being counted, and nothing counted twice.
 *
 * The steps: the new file is made beside the old one, whole, under another name; what is lost is announced in the ledger; the
 * damaged file gets the name that it is kept under; the new one takes its place. A crash before the announcement leaves a new file that is
 * made again. After it, the files tell: as long as the new one has its other name and the old one is in place, nothing was
 * lost yet, and the announcement is taken back before anything is done again; otherwise the change of places is finished.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { damagedNameOf, dropOldDamagedFiles } from './damaged-file.ts';
import { syncDirectory } from './durable-file.ts';
import type { Ledger } from './ledger.ts';
import type { Loss } from './loss.ts';

/** A new file that holds what could be saved of the one in place. */
export function salvageFileOf(file: string): string {
  return `${file}.salvage`;
}

/** A new file in which nothing is saved, since there is nothing to save. */
export function newFileOf(file: string): string {
  return `${file}.new`;
}

/** All names that a replacement may leave for a while. */
export function passingNamesOf(file: string): readonly string[] {
  return [salvageFileOf(file), newFileOf(file)];
}

/**
 * Ends what a crash interrupted: finishes a change of places that had begun, takes back one that had not.
 *
 * @throws SluiceError `disk_full`, `config_invalid`; what the file system says
 */
export function endInterruptedReplacement(file: string, ledger: Ledger<unknown>): void {
  // Only a change of places that had begun takes the file away; the copy is whole then.
  const salvage = salvageFileOf(file);
  if (existsSync(salvage) && !existsSync(file)) moveInto(salvage, file);
  if (ledger.announced !== undefined) {
    const made = ledger.announced.kind === 'lost' ? newFileOf(file) : salvage;
    // On disk before the new file goes: without it the announcement would say that it took its place.
    if (existsSync(made)) ledger.takeBack();
    else ledger.countAnnounced();
  }
  for (const name of passingNamesOf(file)) removeLmdbFile(name);
}

/** The new file, which is closed, takes the place of one that is kept under another name. Throws as {@link placeNew}. */
export function replaceDamaged(
  file: string,
  ledger: Ledger<unknown>,
  lossFor: (keptAs: string) => Loss | undefined,
): void {
  const keptAs = damagedNameOf(file);
  const loss = lossFor(keptAs);
  if (loss !== undefined) ledger.announce(loss);
  renameSync(file, keptAs);
  dropOldDamagedFiles(file);
  moveInto(salvageFileOf(file), file);
  ledger.countAnnounced();
}

/**
 * The new file, which is closed, takes its place, where there is none, or an empty one.
 *
 * @throws SluiceError `disk_full`, `config_invalid` when the ledger cannot be written; what the file system says
 */
export function placeNew(file: string, ledger: Ledger<unknown>, loss: Loss | undefined): void {
  if (loss !== undefined) ledger.announce(loss);
  moveInto(newFileOf(file), file);
  ledger.countAnnounced();
}

/** Removes an LMDB file and what the library made beside it. */
export function removeLmdbFile(file: string): void {
  rmSync(file, { force: true });
  rmSync(`${file}-lock`, { force: true });
}

function moveInto(from: string, file: string): void {
  for (const name of [from, file]) rmSync(`${name}-lock`, { force: true });
  renameSync(from, file);
  syncDirectory(path.dirname(file));
}
