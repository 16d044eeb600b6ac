/** What the queue makes of files that were damaged, emptied or deleted: nothing ends it, and what is missing is counted. */

import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DurableQueue } from './queue.ts';
import { openQueueFileDirectly, queueBlock } from './queue-fixture.ts';
import type { NewBlock } from './queued-block.ts';

const cleanups: (() => Promise<void>)[] = [];
let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-queue-damage-'));
  file = path.join(directory, 'queue.mdb');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  rmSync(directory, { recursive: true });
});

async function openQueue(agentId?: string): Promise<DurableQueue> {
  const queue = await DurableQueue.open({ directory, ...defined({ agentId }) });
  cleanups.push(() => queue.close());
  return queue;
}

function filledBlock(queue: DurableQueue, payloadBytes: number): NewBlock {
  return queueBlock(queue, Buffer.alloc(payloadBytes, queue.nextSequence));
}

/** A queue that held `count` blocks and one read position, closed. */
async function fill(count: number, payloadBytes = 10_000): Promise<DurableQueue> {
  const queue = await DurableQueue.open({ directory, agentId: 'web-1' });
  const first = queueBlock(queue);
  await queue.commitCut([first], [{ key: 'file', value: { offset: 1 } }]);
  await queue.remove([first.header.id]);
  for (let index = 0; index < count; index += 1)
    await queue.commitCut(
      [filledBlock(queue, payloadBytes)],
      [{ key: 'file', value: { offset: 100 + index } }],
    );
  await queue.close();
  return queue;
}

describe('a queue whose file is gone', () => {
  it.each([
    ['deleted', () => rmSync(file)],
    ['emptied', () => truncateSync(file)],
  ])(
    '%s, keeps its name, says what it held, and reads again from where nothing waited',
    async (_how, lose) => {
      const before = await fill(5);
      lose();
      const queue = await openQueue();
      expect(queue.agentId).toBe('web-1');
      expect(queue.epoch).not.toBe(before.epoch);
      const { origin, losses, lossTotals } = queue.statistics;
      expect(origin).toBe('lost');
      expect(lossTotals).toEqual({ losses: 1, blocks: 5 });
      expect(losses[0]?.message).toMatch(/held 5 blocks .*read again/);
      expect([...queue.checkpoints()]).toEqual([{ key: 'file', value: { offset: 1 } }]);
      expect(queue.nextPosition().sequence).toBeGreaterThanOrEqual(7);
    },
  );

  it('says so at each start until a person knows it', async () => {
    await fill(2);
    rmSync(file);
    await (await DurableQueue.open({ directory })).close();
    const queue = await DurableQueue.open({ directory });
    expect([queue.statistics.origin, queue.statistics.lossTotals.blocks]).toEqual(['resumed', 2]);
    queue.acknowledgeLosses();
    await queue.close();
    expect((await openQueue()).statistics.losses).toEqual([]);
  });

  it('of an earlier version, without a ledger, is noticed too; one that was never there is not', async () => {
    await fill(2);
    for (const name of ['queue.ledger', 'queue.mdb']) rmSync(path.join(directory, name));
    const queue = await DurableQueue.open({ directory });
    expect([queue.statistics.origin, queue.statistics.lossTotals.losses]).toEqual(['lost', 1]);
    await queue.close();
    rmSync(directory, { recursive: true });
    expect((await openQueue()).statistics).toMatchObject({ origin: 'fresh', losses: [] });
  });

  it('is found by its own entries when only the ledger is gone or damaged', async () => {
    await fill(2);
    writeFileSync(path.join(directory, 'queue.ledger'), '{"format":1}\nx\n');
    const queue = await openQueue();
    expect([queue.agentId, queue.blockCount, queue.statistics.origin]).toEqual(['web-1', 2, 'resumed']);
    expect(queue.statistics.losses).toEqual([]);
  });
});

describe('a queue whose file is damaged', () => {
  it('that is no database any more is kept beside a new one', async () => {
    await fill(3);
    writeFileSync(file, Buffer.alloc(20_000, 'garbage'));
    const queue = await openQueue();
    expect(queue.statistics).toMatchObject({ origin: 'lost', lossTotals: { losses: 1, blocks: 3 } });
    expect(queue.statistics.losses[0]?.message).toMatch(/not a database of Sluice.*kept as/);
    expect([...queue.checkpoints()]).toEqual([{ key: 'file', value: { offset: 1 } }]);
    const kept = readdirSync(directory).filter((name) => name.includes('.damaged-'));
    expect(kept.length).toBe(1);
    expect(statSync(path.join(directory, kept[0] ?? '')).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['a header that says nothing', 'headers', 2],
    ['a payload without a header', 'no-header', 2],
    ['a header without a payload', 'no-payload', 2],
  ])('with %s loses that block alone', async (_what, kind, sequence) => {
    await fill(3);
    const { environment, headers, payloads } = openQueueFileDirectly(file);
    if (kind === 'headers') await headers.put(sequence, { urgency: 'sometimes' });
    if (kind === 'no-header') await headers.remove(sequence);
    if (kind === 'no-payload') await payloads.remove(sequence);
    await environment.close();
    const queue = await DurableQueue.open({ directory });
    expect([...queue.blocks()].map(({ header }) => header.id.sequence)).toEqual([3, 4]);
    expect(queue.statistics.lossTotals).toEqual({ losses: 1, blocks: 1 });
    await queue.close();
    // It was taken out: the next start has nothing to say.
    expect((await openQueue()).statistics.lossTotals.losses).toBe(1);
  });
});
