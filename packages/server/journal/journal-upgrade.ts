/**
 * How a journal of an older format becomes one of the present format (packages/durable/lmdb/format-upgrade.ts).
 *
 * Format 1: no digests. Those of the blocks that are held are made from what is on the disk now. Of what was accepted earlier
 * only sequences were remembered, not contents: they become `unsure`, and the store says whether it has such a block. Formats 1
 * and 2: values in MessagePack, without checksums.
 */
import { blockDigest } from '@sluice/block/digest';
import type { DurableEnvironment, Transaction } from '@sluice/durable/lmdb/environment';
import { type FormatUpgrade, rewriteEntries, unlessDamaged } from '@sluice/durable/lmdb/format-upgrade';
import type { Database } from 'lmdb';
import { z } from 'zod';
import { type JournalDatabases, type NumberedKey, openJournalDatabases } from './journal-databases.ts';
import { agentKey, decodeAgentKey, decodeBlockRecord, encodeChunk, headerOf } from './journal-records.ts';

/** Sequences in one bitmap of format 1. */
const BLOCKS_PER_BITMAP = 4096;
/** Stands in a record of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);

const looseRecord = z.looseObject({});
const oldAgentRecord = z.object({ settledBelow: z.int().nonnegative(), touchedMs: z.number() });

export const JOURNAL_UPGRADES: readonly FormatUpgrade[] = [
  {
    from: 1,
    stored: Buffer.from([1]),
    apply: (environment, write) => {
      const databases = openJournalDatabases(environment);
      rewriteBlocks(databases, write, (key, value) => withDigest(databases, key, value));
      forgetBitmaps(databases, write, environment.olderByBytes('agents', 'msgpack'));
    },
  },
  {
    from: 2,
    stored: Buffer.from([2]),
    apply: (environment, write) => {
      const databases = openJournalDatabases(environment);
      rewriteBlocks(databases, write, (_key, value) => value);
      rewriteEntries(write, {
        older: environment.olderByBytes('agents', 'msgpack'),
        newer: databases.agents,
      });
      addChecksums(databases.known, write);
    },
  },
];

/** What the journal says of itself, its blocks and its batches. */
function rewriteBlocks(
  { environment, headers, setAside, batches }: JournalDatabases,
  write: Transaction,
  change: (key: NumberedKey, value: unknown) => unknown,
): void {
  rewriteEntries<string>(write, { older: environment.older('meta', 'msgpack'), newer: environment.meta });
  rewriteEntries(write, { older: olderBlocks(environment, 'headers'), newer: headers }, change);
  rewriteEntries(write, { older: olderBlocks(environment, 'set_aside'), newer: setAside }, change);
  rewriteEntries(write, { older: olderBlocks(environment, 'batches'), newer: batches });
}

function olderBlocks(environment: DurableEnvironment, name: string): Database<unknown, NumberedKey> {
  return environment.older(name, 'msgpack');
}

function withDigest({ payloads }: JournalDatabases, key: NumberedKey, value: unknown): unknown {
  const record = decodeBlockRecord({ ...looseRecord.parse(value), digest: NO_DIGEST });
  const payload = payloads.get(key);
  return payload === undefined ? record : { ...record, digest: blockDigest(headerOf(record), payload) };
}

function addChecksums(known: JournalDatabases['known'], write: Transaction): void {
  for (const key of known.getKeys()) {
    const bytes = Buffer.from(key);
    const entries = known.get(bytes);
    if (entries !== undefined) write.put(known, bytes, encodeChunk(bytes, entries));
  }
}

function forgetBitmaps(
  { agents, known }: JournalDatabases,
  write: Transaction,
  older: Database<unknown, Buffer>,
): void {
  const rememberedFrom = new Map<string, number>();
  for (const key of known.getKeys()) {
    const bytes = Buffer.from(key);
    write.remove(known, bytes);
    if (bytes.length <= 16) continue;
    const end = (Number(bytes.readBigUInt64BE(8)) + 1) * BLOCKS_PER_BITMAP;
    const name = `${bytes.readBigUInt64BE(0)}/${bytes.toString('utf8', 16)}`;
    rememberedFrom.set(name, Math.max(end, rememberedFrom.get(name) ?? 0));
  }
  for (const key of older.getKeys()) {
    unlessDamaged(() => {
      const { settledBelow, touchedMs } = oldAgentRecord.parse(older.get(key));
      const { agentId, epoch } = decodeAgentKey(key);
      const from = Math.max(settledBelow, rememberedFrom.get(`${epoch}/${agentId}`) ?? 0);
      write.put(agents, agentKey(agentId, epoch), { rememberedFrom: from, touchedMs });
    });
  }
}
