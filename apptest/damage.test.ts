/**
 * Damaged files on the whole way, by the real parts: a queue that is damaged is sent by the real uplink over sockets into a real
 * journal, which is damaged too, and what the loader would insert is looked at as bytes. Nothing is stored that nobody wrote,
 * nothing twice, and what is not stored is counted where status tells it. `npm run test:damage` tries 200 seeds.
 */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DurableQueue } from '@sluice/agent/queue/queue';
import { compressBlockSync } from '@sluice/block/builder';
import { completeBlock } from '@sluice/block/completion';
import { withDigest } from '@sluice/block/digest';
import { checkBlock } from '@sluice/block/validator';
import { DAMAGE_SEEDS, damageFile } from '@sluice/durable/damage-fixture';
import { timeMs } from '@sluice/protocol/brand';
import { type BlockHeader, blockKey, type ServerId } from '@sluice/protocol/model';
import { Recorder } from '@sluice/record/recorder';
import { startIngest } from '@sluice/server/ingest/ingest';
import { Journal } from '@sluice/server/journal/journal';
import { type JournaledBlock, LANES } from '@sluice/server/journal/journal-records';
import type { InsertRequest } from '@sluice/server/loader/batch-store';
import { LANE_POLICIES } from '@sluice/server/loader/lane-policy';
import { startLoader } from '@sluice/server/loader/loader';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { startAgent } from './uplink/fixtures.ts';

const CUTS = 30;
const LINES_PER_CUT = 40;
const SERVER_ID = 's1' as ServerId;
/** Of one seed, on a machine that has much else to do. */
const PATIENCE = { timeout: 60_000, interval: 5 };
const QUICK = { gatherMs: 1, intervalMs: 1, maxIntervalMs: 2, maxRetryMs: 2 };
const logger = pino({ level: process.env.SLUICE_TEST_LOG ?? 'silent' });

interface Written {
  readonly header: BlockHeader;
  readonly payload: Buffer;
}

/** What was written, by key: nothing else may ever be stored. */
const written = new Map<string, Written>();
let base: string;
let soundQueue: string;
let soundJournal: string;
const earlier = { queue: '', journal: '' };

/** A queue of real blocks, some of them marked as sent. */
async function fillQueue(): Promise<void> {
  const queue = await DurableQueue.open({ directory: soundQueue, agentId: 'web-1' });
  const recorder = new Recorder({ hostName: 'here', timeZone: 'UTC' });
  const consumer = recorder.forFile('/var/log/app.log');
  let number = 0;
  for (const line of corpusLines(CUTS * LINES_PER_CUT, 1)) {
    const bytes = Buffer.from(line);
    consumer.line(bytes, 0, bytes.length, Date.now(), 0);
    number += 1;
    if (number % LINES_PER_CUT !== 0) continue;
    const blocks = recorder
      .cut(() => queue.nextPosition(), queue.blockFormat)
      .map((block) => {
        const payload = compressBlockSync(block);
        return { header: withDigest(block.header, payload), payload };
      });
    for (const block of blocks) written.set(blockKey(block.header.id), block);
    await queue.commitCut(blocks, [{ key: '/var/log/app.log', value: { offset: number } }]);
    const [first] = blocks;
    if (first !== undefined && number % (3 * LINES_PER_CUT) === 0)
      await queue.markSent(first.header.id, SERVER_ID);
    if (number === (CUTS / 2) * LINES_PER_CUT)
      copyFileSync(path.join(soundQueue, 'queue.mdb'), earlier.queue);
  }
  await queue.close();
}

/** A journal of the same blocks, some of them in batches. */
async function fillJournal(): Promise<void> {
  const journal = await Journal.open({ directory: soundJournal });
  let count = 0;
  for (const { header, payload } of written.values()) {
    await journal.append({ header, payload, priority: 1, receivedMs: timeMs(Date.now()) });
    count += 1;
    if (count % 20 === 0) await journal.createBatch(2, SERVER_ID, [...journal.waitingBlocks(2)].slice(0, 5));
    if (count === CUTS) copyFileSync(path.join(soundJournal, 'journal.lmdb'), earlier.journal);
  }
  await journal.close();
}

beforeAll(async () => {
  base = mkdtempSync(path.join(tmpdir(), 'sluice-damage-'));
  soundQueue = path.join(base, 'queue');
  soundJournal = path.join(base, 'journal');
  earlier.queue = path.join(base, 'queue.earlier');
  earlier.journal = path.join(base, 'journal.earlier');
  await fillQueue();
  await fillJournal();
});
afterAll(() => rmSync(base, { recursive: true }));

/** Sends all that the queue has into a journal; what is left lies aside. */
async function sendAll(queue: DurableQueue, journal: Journal): Promise<void> {
  const ingest = await startIngest({
    ...{ host: '127.0.0.1', port: 0, serverId: SERVER_ID, version: 'test', journal, logger },
    validate: checkBlock,
    machine: { instance: 'test', channels: [{ priority: 1, quotaBytes: 16 * 1024 * 1024 }] },
  });
  // Marks that were lost name a server that never answers.
  const agent = startAgent(queue, [ingest.port], { machine: { inDoubtTimeoutMs: 50 } });
  await expect.poll(() => queue.blockCount, PATIENCE).toBe(0);
  await agent.stop(1000);
  await ingest.stop();
}

function heldBlocks(journal: Journal): JournaledBlock[] {
  return LANES.flatMap((lane) => [
    ...journal.openBatches(lane).flatMap(({ blocks }) => blocks),
    ...journal.waitingBlocks(lane),
  ]);
}

/** What the loader inserts of all that the journal has; what is left lies aside. */
async function loadAll(journal: Journal): Promise<Buffer[]> {
  const bodies = new Map<string, Buffer>();
  const loader = startLoader({
    ...{ journal, logger, serverId: SERVER_ID, firstRetryMs: 1 },
    storeClient: {
      insertBlocks: async ({ deduplicationToken, zstdBody }: InsertRequest) => {
        bodies.set(deduplicationToken, zstdBody);
      },
    },
    policies: {
      0: { ...LANE_POLICIES[0], ...QUICK },
      1: { ...LANE_POLICIES[1], ...QUICK },
      2: { ...LANE_POLICIES[2], ...QUICK },
      3: { ...LANE_POLICIES[3], ...QUICK },
    },
  });
  await expect.poll(() => heldBlocks(journal).length, PATIENCE).toBe(0);
  await loader.stop();
  return [...bodies.values()];
}

/** Takes the bodies of inserts apart into blocks that were written. Fails on a byte that belongs to none. */
function blocksIn(bodies: readonly Buffer[], damage: string): string[] {
  const completed = new Map(
    [...written].map(([key, { header, payload }]) => [
      key,
      Buffer.concat(completeBlock(payload, header, { serverId: SERVER_ID, priority: 1, tenant: 'default' })),
    ]),
  );
  return bodies.flatMap((body) => {
    const found: string[] = [];
    for (let at = 0; at < body.length; ) {
      const next = [...completed].find(([, bytes]) => body.subarray(at, at + bytes.length).equals(bytes));
      if (next === undefined) throw new Error(`${damage}: a block that nobody wrote is inserted`);
      found.push(next[0]);
      at += next[1].length;
    }
    return found;
  });
}

test('a damaged queue: each block is taken as it was written, once, or counted', {
  timeout: 600_000,
}, async () => {
  for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
    const home = path.join(base, `seed-${seed}`);
    cpSync(soundQueue, path.join(home, 'agent'), { recursive: true });
    const damage = damageFile(path.join(home, 'agent', 'queue.mdb'), seed, earlier.queue);
    const queue = await DurableQueue.open({ directory: path.join(home, 'agent') });
    const journal = await Journal.open({ directory: path.join(home, 'server') });
    await sendAll(queue, journal);
    const taken = heldBlocks(journal);
    for (const block of taken) {
      const original = written.get(blockKey(block.header.id));
      expect(block.header, damage).toEqual(original?.header);
      expect(journal.readPayload(block).equals(original?.payload ?? Buffer.of()), damage).toBe(true);
    }
    expect(new Set(taken.map(({ header }) => blockKey(header.id))).size, damage).toBe(taken.length);
    const { setAsideBlocks, droppedSetAsideTotal, lossTotals } = queue.statistics;
    expect(taken.length + setAsideBlocks + droppedSetAsideTotal + lossTotals.blocks, damage).toBe(
      written.size,
    );
    await queue.close();
    await journal.close();
    rmSync(home, { recursive: true });
  }
});

test('a damaged journal: each block is inserted as it was written, once, or counted', {
  timeout: 600_000,
}, async () => {
  for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
    const directory = path.join(base, `seed-${seed}`);
    cpSync(soundJournal, directory, { recursive: true });
    const damage = damageFile(path.join(directory, 'journal.lmdb'), seed, earlier.journal);
    const journal = await Journal.open({ directory });
    const inserted = blocksIn(await loadAll(journal), damage);
    expect(new Set(inserted).size, damage).toBe(inserted.length);
    const { setAsideBlocks, setAsideDroppedTotal, lossTotals } = journal.statistics;
    expect(inserted.length + setAsideBlocks + setAsideDroppedTotal + lossTotals.blocks, damage).toBe(
      written.size,
    );
    await journal.close();
    rmSync(directory, { recursive: true });
  }
});
