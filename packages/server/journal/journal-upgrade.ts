/**
 * Brings a journal of an older format to the present one, before anything else reads it.
 *
 * Format 1: no digests. Those of the blocks that are held are made from what is on the disk now. Of what was accepted earlier
 * only sequences were remembered, not contents: they become `unsure`, and the store says whether it has such a block. What
 * cannot be read is left as it is, for the sweep that counts it (journal-sweep.ts).
 */
import { blockDigest } from '@sluice/wire/block-digest';
import type { RootDatabase } from 'lmdb';
import { z } from 'zod';
import { type Databases, write } from './journal-databases.ts';
import { agentKey, decodeAgentKey, decodeBlockRecord, headerOf, JOURNAL_FORMAT } from './journal-records.ts';

const FORMAT_WITHOUT_DIGESTS = 1;
/** Sequences in one bitmap of format 1. */
const BLOCKS_PER_BITMAP = 4096;
/** Stands in a record of format 1 until its digest is made. */
const NO_DIGEST = '0'.repeat(32);

const looseRecord = z.looseObject({});
const agentRecord = z.object({ settledBelow: z.int().nonnegative(), touchedMs: z.number() });

/** Does nothing when the format is present, newer (the caller refuses it) or not there yet. Rejects with what LMDB says. */
export async function upgradeJournal(root: RootDatabase, databases: Databases): Promise<void> {
  const { meta, headers, setAside } = databases;
  if (meta.get('format') !== FORMAT_WITHOUT_DIGESTS) return;
  await root.batch(() => {
    addDigests(headers, databases.payloads);
    addDigests(setAside, databases.payloads);
    forgetBitmaps(databases);
    write(meta.put('format', JOURNAL_FORMAT));
  });
}

function addDigests(records: Databases['headers'], payloads: Databases['payloads']): void {
  for (const key of records.getKeys()) {
    unlessDamaged(() => {
      const record = decodeBlockRecord({ ...looseRecord.parse(records.get(key)), digest: NO_DIGEST });
      const payload = payloads.getBinary(key);
      if (payload === undefined) return;
      write(records.put(key, { ...record, digest: blockDigest(headerOf(record), payload) }));
    });
  }
}

function forgetBitmaps({ agents, known }: Databases): void {
  const rememberedFrom = new Map<string, number>();
  for (const key of known.getKeys()) {
    write(known.remove(key));
    const bytes = Buffer.from(key);
    if (bytes.length <= 16) continue;
    const end = (Number(bytes.readBigUInt64BE(8)) + 1) * BLOCKS_PER_BITMAP;
    const name = `${bytes.readBigUInt64BE(0)}/${bytes.toString('utf8', 16)}`;
    rememberedFrom.set(name, Math.max(end, rememberedFrom.get(name) ?? 0));
  }
  for (const key of agents.getKeys()) {
    unlessDamaged(() => {
      const { settledBelow, touchedMs } = agentRecord.parse(agents.get(key));
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
    // Left as it is: it is no entry of the present format, and the sweep counts it.
  }
}
