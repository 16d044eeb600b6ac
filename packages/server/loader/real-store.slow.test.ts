/** The loader against the real engine in its own process: exactly once, also when the store is killed meanwhile. */
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BlockBuilder, compressBlock } from '@sluice/block/builder';
import { withDigest } from '@sluice/block/digest';
import { RecordFields } from '@sluice/block/record';
import { timeMs } from '@sluice/protocol/brand';
import { type AgentId, blockKey, type ServerId, type UrgencyClass } from '@sluice/protocol/model';
import { superviseStore } from '@sluice/store/supervisor';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { AcceptedBlock } from '../journal/accepted-block.ts';
import { Journal } from '../journal/journal.ts';
import { temporaryDirectory } from '../journal/journal-fixture.ts';
import { migrate } from '../store/migrate.ts';
import { createStoreClient } from '../store/store-client.ts';
import { startLoader } from './loader.ts';
import { findStoredBlocks } from './stored-blocks.ts';

const RECORDS_PER_BLOCK = 50;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const logger = pino({ level: 'silent' });
const serverId = 's1' as ServerId;

async function realBlock(sequence: number, urgency: UrgencyClass): Promise<AcceptedBlock> {
  const builder = new BlockBuilder(urgency);
  const fields = new RecordFields();
  for (let record = 0; record < RECORDS_PER_BLOCK; record += 1) {
    fields.buffer = Buffer.from(`block ${sequence} record ${record}`);
    fields.bodyEnd = fields.buffer.length;
    fields.timestampSeconds = 1_700_000_000 + sequence;
    fields.observedMs = 1_700_000_000_000 + sequence;
    builder.append(fields);
  }
  const sealed = builder.seal({ agentId: 'agent' as AgentId, epoch: 3, sequence });
  const payload = await compressBlock(sealed);
  return { header: withDigest(sealed.header, payload), payload, priority: 2, receivedMs: timeMs(Date.now()) };
}

/** A block whose description of a column is no description: the engine answers with a syntax error, not with one of the data. */
async function unspeakable(sequence: number): Promise<AcceptedBlock> {
  const block = await realBlock(sequence, 'normal');
  // Before the frame of the columns stands one that names the format.
  const start = Buffer.from(block.payload).indexOf(ZSTD_MAGIC);
  const raw = zstdDecompressSync(block.payload.subarray(start));
  const at = raw.indexOf('LowCardinality(String)');
  if (at < 0) throw new Error('no column of that type');
  raw.write('LowCardinality(String(', at);
  const payload = Buffer.concat([block.payload.subarray(0, start), zstdCompressSync(raw)]);
  return { ...block, header: withDigest(block.header, payload), payload };
}

it('loads blocks of every class once each, over a kill of the store and a lost answer', async () => {
  using directory = temporaryDirectory();
  const store = await superviseStore({ directory: join(directory.path, 'store'), logger });
  const client = createStoreClient({ place: { kind: 'directory', directory: store.directory } });
  const journal = await Journal.open({ directory: join(directory.path, 'journal') });
  try {
    await migrate(client);
    let inserts = 0;
    const restarted = new Promise<void>((resolve) => store.onRestart(resolve));
    const loader = startLoader({
      journal,
      serverId,
      logger,
      // Each second answer is lost after the store has applied the insert.
      storeClient: {
        async insertBlocks(request) {
          await client.insertBlocks(request);
          inserts += 1;
          if (inserts % 2 === 0) throw new Error('the answer is lost');
        },
      },
    });
    const classes = ['urgent', 'elevated', 'normal', 'bulk'] as const;
    const append = async (from: number, to: number): Promise<void> => {
      for (let sequence = from; sequence <= to; sequence += 1) {
        await journal.append(await realBlock(sequence, classes[sequence % 4] ?? 'normal'));
      }
    };
    const good = await realBlock(1000, 'normal');
    const cut = good.payload.subarray(0, good.payload.length - 20);
    await journal.append({ ...good, header: withDigest(good.header, cut), payload: cut });
    await journal.append(await unspeakable(1001));
    await append(1, 40);
    const pid = store.pid;
    if (pid === undefined) throw new Error('the store has no process');
    process.kill(pid, 'SIGKILL');
    await append(41, 80);
    await restarted;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (journal.roomBytes === journal.maxRawBytes) resolve();
      };
      journal.listen({ onRoomChanged: check });
      check();
    });
    await loader.stop();
    const [totals] = await client.query(
      'SELECT count() AS records, uniqExact(BlockSequence, RecordNumber) AS different, uniqExact(BlockSequence) AS blocks, ' +
        'any(ServerId) AS server, any(ChannelPriority) AS priority FROM otel_logs',
    );
    expect(totals).toEqual({
      records: String(80 * RECORDS_PER_BLOCK),
      different: String(80 * RECORDS_PER_BLOCK),
      blocks: '80',
      server: 's1',
      priority: 2,
    });
    const find = findStoredBlocks(client);
    const stored = (await realBlock(7, 'bulk')).header;
    const missing = (await realBlock(7777, 'bulk')).header;
    const partial = { ...(await realBlock(8, 'urgent')).header, recordCount: RECORDS_PER_BLOCK + 1 };
    // An agent claims what it likes, and nobody else's blocks may wait for its ones.
    const far = { ...missing, oldestObservedMs: Number.MAX_SAFE_INTEGER };
    expect(await find([far])).toEqual(new Map());
    expect(await find([stored, missing, partial, far])).toEqual(new Map([[blockKey(stored.id), ['s1']]]));
    expect(journal.setAsideBlocks().map((block) => block.header.id.sequence)).toEqual([1000, 1001]);
    expect(journal.setAsideBlocks()[1]?.reason).toMatch(/SYNTAX_ERROR/);
  } finally {
    await journal.close();
    await client.close();
    await store.stop();
  }
});
