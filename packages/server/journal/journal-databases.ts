/** The databases of the journal's LMDB file (what is in them: journal-records.ts), and how a single write is made. */
import { CheckedDatabase } from '@sluice/durable/lmdb/checked-database';
import type { Database, RootDatabase } from 'lmdb';
import { corrupt } from './journal-records.ts';

/** All databases, by name: first what tells how to read the rest, and each behind what it refers to. */
export const DATABASE_NAMES: readonly string[] = [
  'meta',
  'headers',
  'set_aside',
  'payloads',
  'batches',
  'agents',
  'known',
];
/** Those, and one for a later version. */
export const MAX_DATABASES = 8;

/** Lane, and number within it. */
export type NumberedKey = [number, number];

export interface Databases {
  readonly meta: CheckedDatabase<string>;
  readonly headers: CheckedDatabase<NumberedKey>;
  readonly payloads: Database<Buffer, NumberedKey>;
  readonly batches: CheckedDatabase<NumberedKey>;
  readonly setAside: CheckedDatabase<NumberedKey>;
  readonly agents: CheckedDatabase<Buffer>;
  readonly known: Database<Buffer, Buffer>;
}

export function openDatabases(root: RootDatabase): Databases {
  return {
    meta: new CheckedDatabase(root, 'meta', { corrupt }),
    headers: new CheckedDatabase(root, 'headers', { corrupt }),
    payloads: root.openDB('payloads', { encoding: 'binary' }),
    batches: new CheckedDatabase(root, 'batches', { corrupt }),
    setAside: new CheckedDatabase(root, 'set_aside', { corrupt }),
    agents: new CheckedDatabase(root, 'agents', { corrupt, hasByteKeys: true }),
    known: root.openDB('known', { keyEncoding: 'binary', encoding: 'binary' }),
  };
}

/**
 * The promise of a single write settles with its transaction, whose promise is awaited; without a handler of its own a
 * failed commit would be an unhandled rejection for each write in it.
 */
export function write(promise: Promise<boolean>): void {
  promise.catch(ignoreReportedByTransaction);
}

function ignoreReportedByTransaction(): void {
  // The transaction that the write belongs to rejects with the same error.
}
