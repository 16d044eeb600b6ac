import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { MAX_SET_ASIDE_BYTES } from '@sluice/durable/set-aside-shelf';
import type { ServerId } from '@sluice/protocol/model';
import { afterEach, describe, expect, it } from 'vitest';
import { DurableQueue } from './queue.ts';
import { queueBlock, upgradedHeader, writeOlderQueue } from './queue-fixture.ts';
import type { NewBlock } from './queued-block.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-queue-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function openQueue(
  directory: string,
  options: { maxBytes?: number; agentId?: string } = {},
): Promise<DurableQueue> {
  const queue = await DurableQueue.open({ directory, ...options });
  cleanups.push(() => queue.close());
  return queue;
}

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return 'no error';
  } catch (error) {
    return error instanceof SluiceError ? error.code : String(error);
  }
}

const serverOne = 's1' as ServerId;

describe('DurableQueue', () => {
  it('keeps identity, blocks, payloads, in-doubt marks, checkpoints and sequence over a restart', async () => {
    const directory = temporaryDirectory();
    const first = await DurableQueue.open({ directory });
    const blocks = [queueBlock(first), queueBlock(first, Buffer.alloc(100_000, 7)), queueBlock(first)];
    await first.commitCut(blocks, [
      { key: 'a', value: { offset: 12 } },
      { key: 'b', value: 1 },
    ]);
    await first.commitCut([], [{ key: 'b', value: undefined }]);
    const [one, two, three] = blocks;
    if (!one || !two || !three) throw new Error('three blocks');
    await first.remove([one.header.id]);
    await first.markSent(two.header.id, serverOne);
    await first.close();

    const second = await openQueue(directory);
    expect(second.agentId).toBe(first.agentId);
    expect(second.epoch).not.toBe(first.epoch);
    expect([...second.blocks()]).toEqual([{ header: two.header, inDoubtAt: 's1' }, { header: three.header }]);
    expect(second.readPayload(two.header.id)?.compare(two.payload)).toBe(0);
    expect(second.readPayload(one.header.id)).toBeUndefined();
    expect([...second.checkpoints()]).toEqual([{ key: 'a', value: { offset: 12 } }]);
    expect(second.usedBytes).toBe(100_000 + 'payload'.length);
    expect(second.settledBelowSequence).toBe(2);
    expect(second.nextPosition().sequence).toBe(4);
  });

  it('never reuses the sequence of a block that is gone', async () => {
    const directory = temporaryDirectory();
    const first = await DurableQueue.open({ directory });
    const only = queueBlock(first);
    await first.commitCut([only], []);
    await first.remove([only.header.id]);
    await first.close();
    const second = await openQueue(directory);
    expect(second.settledBelowSequence).toBe(2);
    expect(second.nextPosition().sequence).toBe(2);
  });

  it('draws a new epoch at each start; a copy that is put back draws no position a second time', async () => {
    const directory = temporaryDirectory();
    const copy = temporaryDirectory();
    const first = await DurableQueue.open({ directory });
    const kept = queueBlock(first);
    await first.commitCut([kept], []);
    await first.close();
    cpSync(directory, copy, { recursive: true });
    const epochs = new Set([first.epoch]);
    for (const place of [directory, copy, directory]) {
      const queue = await DurableQueue.open({ directory: place });
      epochs.add(queue.epoch);
      expect([...queue.blocks()][0]?.header).toEqual(kept.header);
      expect(queue.nextPosition()).toEqual({ agentId: first.agentId, epoch: queue.epoch, sequence: 2 });
      await queue.close();
    }
    expect(epochs.size).toBe(4);
  });

  it.each([1, 2] as const)(
    'brings a queue of format %i to the present one: its blocks keep their epoch and have digests',
    async (format) => {
      const directory = temporaryDirectory();
      const older = [
        { sequence: 2, payload: Buffer.from('kept') },
        { sequence: 3, payload: Buffer.from('in doubt'), inDoubtAt: 's1' },
        { sequence: 4, payload: Buffer.from('aside'), setAsideReason: 'a reason' },
      ] as const;
      await writeOlderQueue(directory, format, older, { a: 7, b: { offset: 12 } });
      for (let start = 0; start < 2; start += 1) {
        const queue = await DurableQueue.open({ directory });
        const [kept, doubted, aside] = older.map(upgradedHeader);
        expect([...queue.blocks()]).toEqual([{ header: kept }, { header: doubted, inDoubtAt: 's1' }]);
        expect(queue.setAsideBlocks()).toMatchObject([{ header: aside, reason: 'a reason' }]);
        expect([queue.agentId, queue.nextSequence]).toEqual([kept?.id.agentId, 5]);
        expect(queue.epoch).not.toBe(kept?.id.epoch);
        expect([...queue.checkpoints()]).toEqual([
          { key: 'a', value: 7 },
          { key: 'b', value: { offset: 12 } },
        ]);
        // An older file is no damaged one.
        expect([queue.statistics.origin, queue.statistics.losses]).toEqual(['resumed', []]);
        await queue.close();
      }
      const queue = await openQueue(directory);
      expect(await queue.retrySetAside(4)).toBe(true);
      const [, , aside] = [...queue.blocks()];
      expect(aside && queue.readPayload(aside.header.id)?.toString()).toBe('aside');
    },
  );

  it('takes the agent id that it is given and refuses another one later', async () => {
    const directory = temporaryDirectory();
    const first = await DurableQueue.open({ directory, agentId: 'web-1' });
    expect(first.agentId).toBe('web-1');
    await first.close();
    expect(await codeOf(() => DurableQueue.open({ directory, agentId: 'web-2' }))).toBe('config_invalid');
    expect((await openQueue(directory, { agentId: 'web-1' })).agentId).toBe('web-1');
  });

  it('is full at its bound and tells when room appears', async () => {
    const queue = await openQueue(temporaryDirectory(), { maxBytes: 250 });
    const blocks = [1, 2, 3].map(() => queueBlock(queue, Buffer.alloc(100)));
    await queue.waitForRoom();
    await queue.commitCut(blocks, []);
    expect(queue.isFull).toBe(true);
    let room = false;
    const waiting = queue.waitForRoom().then(() => {
      room = true;
    });
    await Promise.resolve();
    expect(room).toBe(false);
    await queue.remove(blocks.slice(0, 1).map((one) => one.header.id));
    await waiting;
    expect(queue.isFull).toBe(false);
  });

  it('keeps blocks set aside, bounded, and out of the backlog', async () => {
    const directory = temporaryDirectory();
    const queue = await DurableQueue.open({ directory });
    const half = Buffer.alloc(MAX_SET_ASIDE_BYTES / 2 - 10);
    for (let i = 0; i < 3; i++) {
      const one = queueBlock(queue, half);
      await queue.commitCut([one], []);
      await queue.setAside(one.header.id, `reason ${i}`);
    }
    await queue.close();
    const again = await openQueue(directory);
    expect(again.setAsideBlocks().map((aside) => [aside.header.id.sequence, aside.reason])).toEqual([
      [2, 'reason 1'],
      [3, 'reason 2'],
    ]);
    expect(again.statistics.droppedSetAsideTotal).toBe(1);
    expect([...again.blocks()]).toEqual([]);
    expect(again.settledBelowSequence).toBe(4);

    expect(await again.retrySetAside(2)).toBe(true);
    expect(await again.dropSetAside(3)).toBe(true);
    expect([await again.retrySetAside(3), await again.dropSetAside(2)]).toEqual([false, false]);
    const [back] = [...again.blocks()];
    expect(back?.header.id.sequence).toBe(2);
    expect(back === undefined ? undefined : again.readPayload(back.header.id)?.length).toBe(half.length);
    expect(again.statistics.setAsideBlocks).toBe(0);
  });

  it('refuses blocks out of order or of another queue', async () => {
    const queue = await openQueue(temporaryDirectory());
    const [one, two] = [queueBlock(queue), queueBlock(queue)];
    await queue.commitCut([two], []);
    expect(await codeOf(() => queue.commitCut([one], []))).toBe('internal');
    const foreign = {
      header: { ...two.header, id: { ...two.header.id, epoch: 1, sequence: 9 } },
      payload: two.payload,
    };
    expect(await codeOf(() => queue.commitCut([foreign], []))).toBe('internal');
    expect(queue.blockCount).toBe(1);
  });

  it('lets one process use a directory, and the next one once the first is killed', async () => {
    const directory = temporaryDirectory();
    const holder = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { DurableQueue } from ${JSON.stringify(new URL('./queue.ts', import.meta.url).href)};
       await DurableQueue.open({ directory: ${JSON.stringify(directory)} });
       process.stdout.write('open');
       setInterval(() => {}, 1000);`,
    ]);
    cleanups.push(() => void holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    expect(await codeOf(() => DurableQueue.open({ directory }))).toBe('already_running');
    const exited = once(holder, 'exit');
    holder.kill('SIGKILL');
    await exited;
    await openQueue(directory);
    expect(await codeOf(() => DurableQueue.open({ directory }))).toBe('already_running');
  });

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'says disk_full (as root, on a small file system), keeps what it has, shrinks, and takes blocks again',
    { timeout: 30_000 },
    async () => {
      const directory = temporaryDirectory();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory]);
      cleanups.push(() => void execFileSync('umount', [directory]));
      const queue = await openQueue(directory);
      const taken: NewBlock[] = [];
      let refused: NewBlock | undefined;
      while (refused === undefined) {
        const one = queueBlock(queue, Buffer.alloc(100_000, taken.length));
        const code = await codeOf(() =>
          queue.commitCut([one], [{ key: 'file', value: one.header.id.sequence }]),
        );
        if (code === 'no error') taken.push(one);
        else {
          expect(code).toBe('disk_full');
          refused = one;
        }
      }
      expect(taken.length).toBeGreaterThan(10);
      // The last bytes go to somebody else; the queue can still give room back.
      try {
        writeFileSync(path.join(directory, 'other'), Buffer.alloc(4_000_000));
      } catch (error) {
        expect(String(error)).toContain('ENOSPC');
      }
      expect([...queue.checkpoints()]).toEqual([{ key: 'file', value: taken.at(-1)?.header.id.sequence }]);
      await queue.remove(taken.slice(0, 15).map((one) => one.header.id));
      rmSync(path.join(directory, 'other'), { force: true });
      await queue.commitCut([refused], [{ key: 'file', value: 'again' }]);
      const left = [...taken.slice(15), refused];
      expect([...queue.blocks()].map((one) => one.header)).toEqual(left.map((one) => one.header));
      for (const one of left) expect(queue.readPayload(one.header.id)?.compare(one.payload)).toBe(0);
    },
  );
});
