/** The databases of the journal's LMDB file (what is in them: journal-records.ts), and what an entry of each must be. */
import { bytesOf, type CheckedDatabase } from '@sluice/durable/lmdb/checked-database';
import type { SeenEntry } from '@sluice/durable/lmdb/entry-judge';
import type { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { storedKey } from '@sluice/durable/lmdb/stored-key';
import {
  checkedValue,
  checkNamed,
  type DatabaseRule,
  type SeenBefore,
} from '@sluice/durable/lmdb/table-judge';
import type { Database } from 'lmdb';
import {
  corrupt,
  decodeAgentKey,
  decodeAgentRecord,
  decodeBatchRecord,
  decodeBlockRecord,
  decodeChunk,
  decodeNumberedKey,
} from './journal-records.ts';

/** Lane, and number within it. */
export type NumberedKey = [number, number];

export interface JournalDatabases {
  readonly environment: DurableEnvironment;
  readonly headers: CheckedDatabase<NumberedKey>;
  readonly payloads: Database<Buffer, NumberedKey>;
  readonly batches: CheckedDatabase<NumberedKey>;
  readonly setAside: CheckedDatabase<NumberedKey>;
  readonly agents: CheckedDatabase<Buffer>;
  readonly known: Database<Buffer, Buffer>;
}

export function openJournalDatabases(environment: DurableEnvironment): JournalDatabases {
  return {
    environment,
    headers: environment.values('headers'),
    payloads: environment.bytes('payloads'),
    batches: environment.values('batches'),
    setAside: environment.values('set_aside'),
    agents: environment.valuesByBytes('agents'),
    known: environment.bytesByBytes('known'),
  };
}

export const JOURNAL_DATABASES: readonly DatabaseRule[] = [
  { kind: 'values', name: 'meta', check: checkNamed },
  { kind: 'headers', name: 'headers', payloads: 'payloads', payloadBytes: payloadBytesOf },
  { kind: 'headers', name: 'set_aside', payloads: 'payloads', payloadBytes: payloadBytesOf },
  { kind: 'payloads', name: 'payloads', check: ({ key }) => void decodeNumberedKey(storedKey(key)) },
  { kind: 'values', name: 'batches', check: checkBatch },
  {
    kind: 'values',
    name: 'agents',
    isReferredTo: true,
    check: (entry) => {
      decodeAgentRecord(checkedValue(entry));
      decodeAgentKey(entry.key);
    },
  },
  { kind: 'values', name: 'known', check: checkKnown },
];

function payloadBytesOf(entry: SeenEntry): number {
  decodeNumberedKey(storedKey(entry.key));
  return decodeBlockRecord(checkedValue(entry)).payloadBytes;
}

/** A batch that lost a part of its blocks keeps its token: if the store took it before, it takes nothing now. */
function checkBatch(entry: SeenEntry, seen: SeenBefore): void {
  const { lane } = decodeNumberedKey(storedKey(entry.key));
  const { blockNumbers } = decodeBatchRecord(checkedValue(entry));
  if (!blockNumbers.some((number) => seen.hasBlock('headers', bytesOf([lane, number]))))
    throw corrupt('a batch');
}

/** Digests have their agent. */
function checkKnown({ key, value }: SeenEntry, seen: SeenBefore): void {
  decodeChunk(key, value);
  // Without the number of the chunk (journal-records.ts).
  if (!seen.has('agents', Buffer.concat([key.subarray(0, 8), key.subarray(16)])))
    throw corrupt('the digests of known blocks');
}
