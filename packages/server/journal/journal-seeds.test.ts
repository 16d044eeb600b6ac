/**
 * The journal over damage from seeds: it opens, goes on, and what is missing is counted. `npm run test:damage` tries 200.
 * Whether a payload still says what was written is for its digest to tell.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DAMAGE_SEEDS, damageFile } from '@sluice/host/damage-fixture';
import { expect, it } from 'vitest';
import { Journal } from './journal.ts';
import { JOURNAL_FILE_NAME } from './journal-file.ts';
import { acceptedBlock, temporaryDirectory } from './journal-fixture.ts';
import { LANES } from './journal-records.ts';

const BLOCKS = 120;

it('opens whatever happened to its file, and counts each block that is gone', {
  timeout: 600_000,
}, async () => {
  using base = temporaryDirectory();
  const sound = join(base.path, 'sound');
  const first = await Journal.open({ directory: sound });
  for (let sequence = 1; sequence <= BLOCKS; sequence += 1) {
    const payload = Buffer.alloc(sequence % 2 === 0 ? 300 : 9000, sequence);
    await first.append(acceptedBlock({ sequence, payload }));
    if (sequence % 40 === 0) await first.createBatch(2, 's1', [...first.waitingBlocks(2)].slice(0, 10));
  }
  await first.close();
  for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
    const directory = join(base.path, `seed-${seed}`);
    cpSync(sound, directory, { recursive: true });
    const damage = damageFile(join(directory, JOURNAL_FILE_NAME), seed);
    const journal = await Journal.open({ directory });
    const held = LANES.flatMap((lane) => [
      ...journal.openBatches(lane).flatMap(({ blocks }) => blocks),
      ...journal.waitingBlocks(lane),
    ]);
    const { lossTotals } = journal.statistics;
    expect(held.length + lossTotals.blocks, damage).toBeGreaterThanOrEqual(BLOCKS);
    await journal.append(acceptedBlock({ sequence: BLOCKS + 1, urgency: 'bulk' }));
    await journal.close();
    const again = await Journal.open({ directory });
    expect(again.statistics.lossTotals, damage).toEqual(lossTotals);
    await again.close();
  }
});
