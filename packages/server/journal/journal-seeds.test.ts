/**
 * The journal over damage from seeds: it opens, goes on, every block that it gives out is one that was written, and what is
 * missing is counted. `npm run test:damage` tries 200.
 */
import { copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { DAMAGE_SEEDS, damageFile } from '@sluice/durable/damage-fixture';
import { expect, it } from 'vitest';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock, temporaryDirectory } from './journal-fixture.ts';
import { type JournaledBlock, LANES } from './journal-records.ts';

const BLOCKS = 120;

function payloadOf(sequence: number): Buffer {
  return Buffer.alloc(sequence % 2 === 0 ? 300 : 9000, sequence);
}

function heldBlocks(journal: Journal): JournaledBlock[] {
  return LANES.flatMap((lane) => [
    ...journal.openBatches(lane).flatMap(({ blocks }) => blocks),
    ...journal.waitingBlocks(lane),
  ]);
}

/** A journal that has seen some life, closed, and a copy of its file from the middle of it. Returns how many blocks it holds. */
async function live(directory: string, earlier: string): Promise<number> {
  const journal = await Journal.open({ directory });
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1) {
    await journal.append(acceptedBlock({ sequence, payload: payloadOf(sequence) }));
    if (sequence % 20 !== 0) continue;
    const batch = await journal.createBatch(2, 's1', [...journal.waitingBlocks(2)].slice(0, 10));
    if (sequence % 60 === 0) await journal.finishBatch(batch);
    if (sequence === 40) await journal.setAside(batch, 'a reason');
    if (sequence === 60) copyFileSync(join(directory, JOURNAL_FILE_NAME), earlier);
  }
  const count = heldBlocks(journal).length + journal.setAsideBlocks().length;
  await journal.close();
  return count;
}

/** What the loader would insert of a block; undefined when it is set aside instead. */
function loaded(journal: Journal, block: JournaledBlock): Buffer | undefined {
  try {
    return journal.readPayload(block);
  } catch (error) {
    expect(SluiceError.from(error).code).toBe('state_corrupt');
    return undefined;
  }
}

it('opens whatever happened to its file, gives out what was written, and counts each block that is gone', {
  timeout: 600_000,
}, async () => {
  using base = temporaryDirectory();
  const sound = join(base.path, 'sound');
  const earlier = join(base.path, 'earlier.lmdb');
  const written = await live(sound, earlier);
  for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
    const directory = join(base.path, `seed-${seed}`);
    cpSync(sound, directory, { recursive: true });
    const damage = damageFile(join(directory, JOURNAL_FILE_NAME), seed, earlier);
    const journal = await Journal.open({ directory });
    const held = [...heldBlocks(journal), ...journal.setAsideBlocks()];
    for (const block of held) {
      const payload = loaded(journal, block);
      // Not toEqual, which takes buffers apart.
      if (payload !== undefined)
        expect(payload.equals(payloadOf(block.header.id.sequence)), damage).toBe(true);
    }
    const { lossTotals } = journal.statistics;
    // Beside a damaged header page the file is that of a transaction earlier: blocks that were loaded then are there again.
    const isOlder = /header page/.test(journal.statistics.losses[0]?.message ?? '');
    const told = held.length + lossTotals.blocks;
    if (isOlder) expect(told, damage).toBeGreaterThanOrEqual(written);
    else expect(told, damage).toBe(written);
    await journal.append(acceptedBlock({ sequence: BLOCKS + 1, urgency: 'bulk' }));
    await journal.close();
    const again = await Journal.open({ directory });
    expect(again.statistics.lossTotals, damage).toEqual(lossTotals);
    await again.close();
    rmSync(directory, { recursive: true });
  }
});
