/**
 * The queue over damage from seeds: it opens, goes on, and what is missing is counted. `npm run test:damage` tries 200.
 * Whether a payload still says what was written is for its digest to tell.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DAMAGE_SEEDS, damageFile } from '@sluice/host/damage-fixture';
import type { TimeMs } from '@sluice/protocol/model';
import { type DraftHeader, withDigest } from '@sluice/wire/block-digest';
import { expect, it } from 'vitest';
import { DurableQueue, type NewBlock } from './queue.ts';

const CUTS = 60;
const PAYLOAD_BYTES = [300, 9000];

function block(queue: DurableQueue, payloadBytes: number): NewBlock {
  const draft: DraftHeader = {
    ...{ id: queue.nextPosition(), urgency: 'normal', rawBytes: 1000, recordCount: 3 },
    oldestObservedMs: 1_700_000_000_000 as TimeMs,
  };
  const payload = Buffer.alloc(payloadBytes, draft.id.sequence);
  return { header: withDigest(draft, payload), payload };
}

it('opens whatever happened to its file, and counts each block that is gone', {
  timeout: 600_000,
}, async () => {
  const base = mkdtempSync(path.join(tmpdir(), 'sluice-queue-seeds-'));
  try {
    const sound = path.join(base, 'sound');
    const first = await DurableQueue.open({ directory: sound, agentId: 'web-1' });
    for (let cut = 0; cut < CUTS; cut += 1) {
      const blocks = PAYLOAD_BYTES.map((bytes) => block(first, bytes));
      await first.commitCut(blocks, [{ key: `file ${cut}`, value: { offset: cut } }]);
    }
    await first.close();
    for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
      const directory = path.join(base, `seed-${seed}`);
      cpSync(sound, directory, { recursive: true });
      const damage = damageFile(path.join(directory, 'queue.mdb'), seed);
      const queue = await DurableQueue.open({ directory });
      expect(queue.agentId, damage).toBe('web-1');
      const left = [...queue.blocks()];
      for (const { header } of left) expect(queue.readPayload(header.id), damage).toBeDefined();
      const { lossTotals } = queue.statistics;
      expect(left.length + lossTotals.blocks, damage).toBeGreaterThanOrEqual(CUTS * PAYLOAD_BYTES.length);
      await queue.commitCut([block(queue, 10)], []);
      await queue.close();
      const again = await DurableQueue.open({ directory });
      expect([again.blockCount, again.statistics.lossTotals], damage).toEqual([left.length + 1, lossTotals]);
      await again.close();
      rmSync(directory, { recursive: true });
    }
  } finally {
    rmSync(base, { recursive: true });
  }
});
