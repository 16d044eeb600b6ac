/**
 * The queue over damage from seeds: it opens, goes on, every block that it gives out is one that was written, and what is
 * missing is counted. `npm run test:damage` tries 200.
 */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DraftHeader, digestProblem, withDigest } from '@sluice/block/digest';
import { DAMAGE_SEEDS, damageFile } from '@sluice/durable/damage-fixture';
import type { ServerId, TimeMs } from '@sluice/protocol/model';
import { expect, it } from 'vitest';
import { DurableQueue } from './queue.ts';
import type { NewBlock } from './queued-block.ts';

const CUTS = 60;
const PAYLOAD_BYTES = [300, 9000];
/** Of each cut in {@link SENT_EVERY}, one block is with a server already. */
const SENT_EVERY = 3;

function block(queue: DurableQueue, payloadBytes: number): NewBlock {
  const draft: DraftHeader = {
    ...{ id: queue.nextPosition(), urgency: 'normal', rawBytes: 1000, recordCount: 3 },
    oldestObservedMs: 1_700_000_000_000 as TimeMs,
  };
  const payload = Buffer.alloc(payloadBytes, draft.id.sequence);
  return { header: withDigest(draft, payload), payload };
}

/** A queue that has seen some life, closed, and a copy of its file from the middle of it. Returns how many blocks it holds. */
async function live(directory: string, earlier: string): Promise<number> {
  const queue = await DurableQueue.open({ directory, agentId: 'web-1' });
  for (let cut = 0; cut < CUTS; cut += 1) {
    const blocks = PAYLOAD_BYTES.map((bytes) => block(queue, bytes));
    await queue.commitCut(blocks, [{ key: `file ${cut}`, value: { offset: cut } }]);
    const [first] = blocks;
    if (first !== undefined && cut % SENT_EVERY === 0)
      await queue.markSent(first.header.id, 's1' as ServerId);
    if (first !== undefined && cut % SENT_EVERY === 1) await queue.remove([first.header.id]);
    if (first !== undefined && cut === CUTS / 2) await queue.setAside(first.header.id, 'a reason');
    if (cut === CUTS / 2) copyFileSync(path.join(directory, 'queue.mdb'), earlier);
  }
  const count = queue.blockCount + queue.setAsideBlocks().length;
  await queue.close();
  return count;
}

it('opens whatever happened to its file, gives out what was written, and counts each block that is gone', {
  timeout: 600_000,
}, async () => {
  const base = mkdtempSync(path.join(tmpdir(), 'sluice-queue-seeds-'));
  try {
    const sound = path.join(base, 'sound');
    const earlier = path.join(base, 'earlier.mdb');
    const written = await live(sound, earlier);
    for (let seed = 0; seed < DAMAGE_SEEDS; seed += 1) {
      const directory = path.join(base, `seed-${seed}`);
      cpSync(sound, directory, { recursive: true });
      const damage = damageFile(path.join(directory, 'queue.mdb'), seed, earlier);
      const queue = await DurableQueue.open({ directory });
      expect(queue.agentId, damage).toBe('web-1');
      const left = [...queue.blocks()];
      for (const { header } of left) {
        const payload = queue.readPayload(header.id) ?? Buffer.of();
        if (digestProblem(header, payload) !== undefined) continue;
        // Not toEqual, which takes buffers apart.
        expect(payload.equals(Buffer.alloc(payload.length, header.id.sequence)), damage).toBe(true);
      }
      const { lossTotals, setAsideBlocks } = queue.statistics;
      expect(left.length + setAsideBlocks + lossTotals.blocks, damage).toBe(written);
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
