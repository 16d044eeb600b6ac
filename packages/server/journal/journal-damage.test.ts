/** What the journal makes of files that were damaged, emptied or deleted: nothing ends it, and what is missing is counted. */
import { rmSync, statSync, truncateSync } from 'node:fs';
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
    ['was cut', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
  ])('%s has another name from then on, so that no token of a batch comes again', async (_what, damage) => {
    using directory = temporaryDirectory();
    const name = await fill(directory.path);
    damage(join(directory.path, JOURNAL_FILE_NAME));
    const journal = await Journal.open({ directory: directory.path });
    expect(journal.instanceId).not.toBe(name);
    const left = sequencesOf(journal);
    expect(journal.statistics.lossTotals.blocks).toBe(BLOCKS - left.length);
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
});
