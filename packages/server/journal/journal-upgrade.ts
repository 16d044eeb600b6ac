/**
 * Brings a journal of an older format to the present one, before anything else reads it.
 *
 * Format 1: no digests. Those of the blocks that are held are made from what is on the disk now. Of what was accepted earlier
 * only sequences were remembered, not contents: they become `unsure`, and the store says whether it has such a block. Formats 1
 * and 2: values in MessagePack, without checksums. What cannot be read is left as it is, for the judge that counts it
 * (journal-judge.ts).
 */
import { blockDigest } from '@sluice/block/digest';
import type { Database, Key, RootDatabase } from 'lmdb';
import { z } from 'zod';
import { type Databases, type NumberedKey, openDatabases, write } from './journal-databases.ts';
import {
  agentKey,
  decodeAgentKey,
  decodeBlockRecord,
  encodeChunk,
  headerOf,
  JOURNAL_FORMAT,
} from './journal-records.ts';

const FORMAT_WITHOUT_DIGESTS = 1;
const META_NAMES = ['instance', 'next_batch'];
/** Sequences in one bitmap of format 1. */
const BLOCKS_PER_BITMAP = 4096;
/** Stands in a record of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);

const looseRecord = z.looseObject({});
const oldAgentRecord = z.object({ settledBelow: z.int().nonnegative(), touchedMs: z.number() });

/** The databases as they were. */
interface OlderDatabases {
  readonly meta: Database<unknown, string>;
  readonly headers: Database<unknown, NumberedKey>;
  readonly setAside: Database<unknown, NumberedKey>;
  readonly batches: Database<unknown, NumberedKey>;
  readonly agents: Database<unknown, Buffer>;
}

/** The file is of format 1 or 2, and its structure is sound. Rejects with what LMDB says. */
export async function upgradeJournal(root: RootDatabase): Promise<void> {
  const databases = openDatabases(root);
  const older: OlderDatabases = {
    meta: root.openDB('meta', {}),
    headers: root.openDB('headers', {}),
    setAside: root.openDB('set_aside', {}),
    batches: root.openDB('batches', {}),
    agents: root.openDB('agents', { keyEncoding: 'binary' }),
  };
  const hasDigests = older.meta.get('format') !== FORMAT_WITHOUT_DIGESTS;
  await root.batch(() => {
    for (const name of META_NAMES)
      unlessDamaged(() => {
        const value = older.meta.get(name);
        if (value !== undefined) write(databases.meta.put(name, value));
      });
    rewrite(older.headers, databases.headers, (key, value) => withDigest(databases, key, value, hasDigests));
    rewrite(older.setAside, databases.setAside, (key, value) =>
      withDigest(databases, key, value, hasDigests),
    );
    rewrite(older.batches, databases.batches, (_key, value) => value);
    if (hasDigests) {
      rewrite(older.agents, databases.agents, (_key, value) => value);
      addChecksums(databases.known);
    } else {
      forgetBitmaps(databases, older.agents);
    }
    write(databases.meta.put('format', JOURNAL_FORMAT));
  });
}

function rewrite<K extends Key>(
  older: Database<unknown, K>,
  newer: { put(key: K, value: unknown): Promise<boolean> },
  change: (key: K, value: unknown) => unknown,
): void {
  for (const key of older.getKeys()) unlessDamaged(() => write(newer.put(key, change(key, older.get(key)))));
}

function withDigest(databases: Databases, key: NumberedKey, value: unknown, hasDigest: boolean): unknown {
  if (hasDigest) return value;
  const record = decodeBlockRecord({ ...looseRecord.parse(value), digest: NO_DIGEST });
  const payload = databases.payloads.get(key);
  return payload === undefined ? record : { ...record, digest: blockDigest(headerOf(record), payload) };
}

function addChecksums(known: Databases['known']): void {
  for (const key of known.getKeys()) {
    const bytes = Buffer.from(key);
    const entries = known.get(bytes);
    if (entries !== undefined) write(known.put(bytes, encodeChunk(bytes, entries)));
  }
}

function forgetBitmaps({ agents, known }: Databases, older: OlderDatabases['agents']): void {
  const rememberedFrom = new Map<string, number>();
  for (const key of known.getKeys()) {
    write(known.remove(key));
    const bytes = Buffer.from(key);
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
      write(agents.put(agentKey(agentId, epoch), { rememberedFrom: from, touchedMs }));
    });
  }
}

function unlessDamaged(action: () => void): void {
  try {
    action();
  } catch {
    // Left as it is: without a checksum it is no entry of the present format, and the judge counts it.
  }
}
