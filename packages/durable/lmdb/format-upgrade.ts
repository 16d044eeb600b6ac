/**
 * Brings a file of an older format to the present one, before anything else reads its blocks, in one transaction: after a crash it
 * is of the older format still, and the next start does the same again.
 *
 * Values of older formats had no checksums. What is made now says what the file says now: damage from before the upgrade is not
 * seen by it. What cannot be read is left as it is: without a checksum it is no value of the present format, and the judge counts
 * it (table-judge.ts).
 */
import type { Database, Key } from 'lmdb';
import type { CheckedDatabase } from './checked-database.ts';
import type { DurableEnvironment, Transaction } from './environment.ts';

/** How a file of one older format becomes one of the present format. */
export interface FormatUpgrade {
  readonly from: number;
  /** That number as it stands in the file. */
  readonly stored: Buffer;
  /** Writes all but the format. */
  apply(environment: DurableEnvironment, write: Transaction): void;
}

/** The structure of the file is sound. Throws what LMDB says, SluiceError `disk_full`, `state_corrupt`. */
export async function upgradeFormat(
  environment: DurableEnvironment,
  upgrade: FormatUpgrade,
  present: number,
): Promise<void> {
  await environment.commit((write) => {
    upgrade.apply(environment, write);
    write.put(environment.meta, 'format', present);
  });
}

/**
 * Writes the entries of a database anew, with checksums.
 *
 * @param change makes the present value of the older one; whatever it throws leaves the entry as it is
 */
export function rewriteEntries<K extends Key>(
  write: Transaction,
  { older, newer }: { readonly older: Database<unknown, K>; readonly newer: CheckedDatabase<K> },
  change: (key: K, value: unknown) => unknown = (_key, value) => value,
): void {
  for (const key of older.getKeys()) unlessDamaged(() => write.put(newer, key, change(key, older.get(key))));
}

/** Runs the action; whatever it throws, what it read is damaged and left as it is. */
export function unlessDamaged(action: () => void): void {
  try {
    action();
  } catch {
    // The judge counts it.
  }
}
