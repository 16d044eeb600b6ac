/** The databases of the journal's LMDB file (what is in them: journal-records.ts), and how a single write is made. */
import type { Database, RootDatabase } from 'lmdb';
import type { BatchRecord, BlockRecord } from './journal-records.ts';

/** All databases, by name. */
export const DATABASE_NAMES: readonly string[] = [
  'meta',
  'headers',
  'payloads',
  'batches',
  'set_aside',
  'agents',
  'known',
];
/** Those, and one for a later version. */
export const MAX_DATABASES = 8;

/** Lane, and number within it. */
export type NumberedKey = [number, number];

export interface Databases {
  readonly meta: Database<string | number, string>;
  readonly headers: Database<BlockRecord, NumberedKey>;
  readonly payloads: Database<Buffer, NumberedKey>;
  readonly batches: Database<BatchRecord, NumberedKey>;
  readonly setAside: Database<BlockRecord, NumberedKey>;
  readonly agents: Database<unknown, Buffer>;
  readonly known: Database<Buffer, Buffer>;
}

/**
 * A decoder that learns forms from one value and uses them for the next would read sound values wrongly behind a damaged one.
 * Values that were written with forms are still read.
 */
const WITHOUT_MEMORY = { encoding: 'msgpack', useRecords: false } as const;

export function openDatabases(root: RootDatabase): Databases {
  return {
    meta: root.openDB('meta', { ...WITHOUT_MEMORY }),
    headers: root.openDB('headers', { ...WITHOUT_MEMORY }),
    payloads: root.openDB('payloads', { encoding: 'binary' }),
    batches: root.openDB('batches', { ...WITHOUT_MEMORY }),
    setAside: root.openDB('set_aside', { ...WITHOUT_MEMORY }),
    agents: root.openDB('agents', { keyEncoding: 'binary', ...WITHOUT_MEMORY }),
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
