/** What the journal makes of files that were damaged, emptied or deleted: nothing ends it, and what is missing is counted. */
import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock, temporaryDirectory } from './journal-fixture.ts';
import { LANES } from './journal-records.ts';

const BLOCKS = 30;
const PAYLOAD_BYTES = 20_000;

/** A journal that holds blocks, some of them in a batch, closed. Returns its name. */
async function fill(directory: string): Promise<string> {
  const journal = await Journal.open({ directory });
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1)
    await journal.append(acceptedBlock({ sequence, payload: Buffer.alloc(PAYLOAD_BYTES, sequence) }));
  await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)].slice(0, 5));
  await journal.close();
  return journal.instanceId;
}

/** What is in the journal, whole. */
function sequencesOf(journal: Journal): number[] {
  const held = LANES.flatMap((lane) => [
    ...journal.openBatches(lane).flatMap(({ blocks }) => blocks),
    ...journal.waitingBlocks(lane),
  ]);
  for (const block of held)
    expect(journal.readPayload(block).equals(Buffer.alloc(PAYLOAD_BYTES, block.header.id.sequence))).toBe(
      true,
    );
  return held.map(({ header }) => header.id.sequence);
}

describe('a journal whose file', () => {
  it.each([
    ['was deleted', (file: string) => rmSync(file)],
    ['was emptied', (file: string) => truncateSync(file)],
    [
      'is something else',
      (file: string) => writeFileSync(file, 'this is no journal, whatever its name says'),
    ],
  ])('%s says how much it held, at each start until a person knows it', async (_what, damage) => {
    using directory = temporaryDirectory();
    const name = await fill(directory.path);
    damage(join(directory.path, JOURNAL_FILE_NAME));
    await (await Journal.open({ directory: directory.path })).close();
    const journal = await Journal.open({ directory: directory.path });
    expect(journal.instanceId).not.toBe(name);
    expect(journal.statistics.lossTotals).toEqual({ losses: 1, blocks: BLOCKS });
    expect(journal.statistics.losses[0]?.message).toMatch(/30 blocks that were acknowledged/);
    journal.acknowledgeLosses();
    await journal.close();
    const again = await Journal.open({ directory: directory.path });
    expect(again.statistics.losses).toEqual([]);
    await again.close();
  });

  it('was cut keeps what is left, and counts the rest', async () => {
    using directory = temporaryDirectory();
    const name = await fill(directory.path);
    const file = join(directory.path, JOURNAL_FILE_NAME);
    truncateSync(file, Math.floor(statSync(file).size / 2));
    const journal = await Journal.open({ directory: directory.path });
    const left = sequencesOf(journal);
    expect(new Set(left).size).toBe(left.length);
    expect(journal.statistics.lossTotals.blocks).toBe(BLOCKS - left.length);
    expect(journal.statistics.lossTotals.blocks).toBeGreaterThan(0);
    expect(journal.instanceId).not.toBe(name);
    await journal.close();
  });

  it.each(['headers', 'batches', 'agents', 'known'])(
    'has a damaged entry in %s goes on without it',
    async (name) => {
      using directory = temporaryDirectory();
      await fill(directory.path);
      const root = open({ path: join(directory.path, JOURNAL_FILE_NAME), noSubdir: true, maxDbs: 8 });
      const database = root.openDB<Buffer, Buffer>({ name, keyEncoding: 'binary', encoding: 'binary' });
      const [key] = database.getKeys();
      if (key === undefined) throw new Error('an entry');
      await database.put(Buffer.from(key), Buffer.from([0xc1]));
      await root.close();
      const journal = await Journal.open({ directory: directory.path });
      expect(sequencesOf(journal).length).toBe(name === 'headers' ? BLOCKS - 1 : BLOCKS);
      expect(journal.statistics.lossTotals).toEqual({ losses: 1, blocks: name === 'headers' ? 1 : 0 });
      await journal.close();
    },
  );

  it('is new has lost nothing', async () => {
    using directory = temporaryDirectory();
    const journal = await Journal.open({ directory: directory.path });
    expect(journal.statistics.losses).toEqual([]);
    await journal.close();
  });
});
