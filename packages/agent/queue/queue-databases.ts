/** The databases of the queue's file: what is in them (stored.ts), and what an entry of each must be. */
import type { CheckedDatabase } from '@sluice/durable/lmdb/checked-database';
import type { SeenEntry } from '@sluice/durable/lmdb/entry-judge';
import type { DurableEnvironment } from '@sluice/durable/lmdb/environment';
import { storedKey } from '@sluice/durable/lmdb/stored-key';
import { checkedValue, checkNamed, type DatabaseRule } from '@sluice/durable/lmdb/table-judge';
import type { Database } from 'lmdb';
import { asideSchema, headerSchema } from './stored.ts';

/** Under the durable queue. */
export interface QueueDatabases {
  readonly environment: DurableEnvironment;
  /** Compressed blocks by sequence. */
  readonly payloads: Database<Buffer, number>;
  /** Block headers by sequence. */
  readonly headers: CheckedDatabase<number>;
  /** The server at which a block may already be durable, by sequence. */
  readonly inDoubt: CheckedDatabase<number>;
  /** Read positions by source key. */
  readonly checkpoints: CheckedDatabase<string>;
  /** Header and reason of blocks that no server takes, by sequence. */
  readonly asideHeaders: CheckedDatabase<number>;
  readonly asidePayloads: Database<Buffer, number>;
}

export function openQueueDatabases(environment: DurableEnvironment): QueueDatabases {
  return {
    environment,
    payloads: environment.bytes('payloads'),
    headers: environment.values('headers'),
    inDoubt: environment.values('in-doubt'),
    checkpoints: environment.values('checkpoints'),
    asideHeaders: environment.values('aside-headers'),
    asidePayloads: environment.bytes('aside-payloads'),
  };
}

export const QUEUE_DATABASES: readonly DatabaseRule[] = [
  { kind: 'values', name: 'meta', check: checkNamed },
  { kind: 'payloads', name: 'payloads', check: checkSequence },
  {
    kind: 'headers',
    name: 'headers',
    payloads: 'payloads',
    payloadBytes: (entry) => {
      checkSequence(entry);
      return headerSchema.parse(checkedValue(entry)).payloadBytes;
    },
  },
  {
    kind: 'values',
    name: 'in-doubt',
    check: (entry) => {
      checkSequence(entry);
      const value = checkedValue(entry);
      if (typeof value !== 'string' || value === '') throw new Error('a server has a name');
    },
  },
  { kind: 'values', name: 'checkpoints', check: checkNamed },
  { kind: 'payloads', name: 'aside-payloads', check: checkSequence },
  {
    kind: 'headers',
    name: 'aside-headers',
    payloads: 'aside-payloads',
    payloadBytes: (entry) => {
      checkSequence(entry);
      return asideSchema.parse(checkedValue(entry)).header.payloadBytes;
    },
  },
];

function checkSequence({ key }: SeenEntry): void {
  const sequence = storedKey(key);
  if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence <= 0)
    throw new Error('a key is a sequence');
}
