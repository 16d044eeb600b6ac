/** What lies aside with the real programs: shown, tried again, dropped; in an agent's queue and in a server's journal. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DurableQueue } from '@sluice/agent/queue/queue';
import { BlockBuilder, compressBlock } from '@sluice/block/builder';
import { withDigest } from '@sluice/block/digest';
import { RecordFields } from '@sluice/block/record';
import { timeMs } from '@sluice/protocol/brand';
import type { AgentId, BlockHeader, BlockPosition } from '@sluice/protocol/model';
import { Journal } from '@sluice/server/journal/journal';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningUp, sluice, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };
const RECORDS = 7;

let data: string;
let up: RunningUp | undefined;
beforeEach(() => {
  data = mkdtempSync(path.join(tmpdir(), 'sluice-aside-'));
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(data, { recursive: true });
});

/** A block of {@link RECORDS} records as an agent makes it. */
async function sealed(position: BlockPosition): Promise<{ header: BlockHeader; payload: Buffer }> {
  const builder = new BlockBuilder('normal');
  const fields = new RecordFields();
  for (let record = 0; record < RECORDS; record += 1) {
    fields.buffer = Buffer.from(`aside ${record}`);
    fields.bodyEnd = fields.buffer.length;
    fields.timestampSeconds = 1_760_000_000 + record;
    fields.observedMs = Date.now();
    builder.append(fields);
  }
  const block = builder.seal(position);
  const payload = Buffer.from(await compressBlock(block));
  return { header: withDigest(block.header, payload), payload };
}

test('a block set aside by an agent is shown, tried again, and found', { timeout: 240_000 }, async () => {
  const directory = path.join(data, 'agent');
  const queue = await DurableQueue.open({ directory });
  const blocks = [await sealed(queue.nextPosition()), await sealed(queue.nextPosition())];
  await queue.commitCut(blocks, []);
  for (const { header } of blocks) await queue.setAside(header.id, 'a server did not like it');
  await queue.close();

  const run = (...words: string[]): ReturnType<typeof sluice> =>
    sluice(['set-aside', ...words, '--data', directory]);
  const list = await run('list');
  expect(list.stdout).toMatch(/^1 {2}of .*block \d+\/1, 7 records \(normal\)[\s\S]*did not like it/);
  const shown = await run('show', '1');
  expect(
    shown.stdout
      .trim()
      .split('\n')
      .map((line): { body: string } => JSON.parse(line))
      .map(({ body }) => body),
  ).toEqual(Array.from({ length: RECORDS }, (_, record) => `aside ${record}`));
  expect((await run('show', '9')).code).toBe(2);
  expect((await run('retry')).code).toBe(2);
  expect((await run('drop', '2')).stdout).toMatch(/1 of 1/);
  expect((await run('retry', '1')).stdout).toMatch(/1 of 1/);
  expect((await run('list')).stdout).toMatch(/Nothing lies aside/);

  up = await startUp({ data, arguments: ['--watch', path.join(data, 'nothing', '*.log')] });
  const started = up;
  await expect.poll(() => started.count('*'), PATIENCE).toBe(RECORDS);
  expect((await run('list')).stdout).toMatch(/Nothing lies aside/);
  const refused = await run('drop', '--all');
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/Stop the agent/)]);
});

test("a block that the store refuses lies aside in a server's journal until it is dropped", {
  timeout: 120_000,
}, async () => {
  const directory = path.join(data, 's1', 'journal');
  mkdirSync(path.dirname(directory), { mode: 0o700 });
  const journal = await Journal.open({ directory });
  const { header, payload } = await sealed({ agentId: 'web-1' as AgentId, epoch: 5, sequence: 3 });
  const cut = payload.subarray(0, payload.length - 9);
  await journal.append({
    header: withDigest(header, cut),
    payload: cut,
    priority: 1,
    receivedMs: timeMs(Date.now()),
  });
  await journal.close();

  up = await startUp({ data, arguments: ['--watch', path.join(data, 'nothing', '*.log')] });
  const run = (...words: string[]): ReturnType<typeof sluice> =>
    sluice(['set-aside', ...words, '--server', up?.url ?? '']);
  const shelf = async (): Promise<string> => (await run('list')).stdout;
  await expect.poll(shelf, PATIENCE).toMatch(/of web-1, block 5\/3, 7 records \(normal\)/);
  const shown = await run('show', '1');
  expect([shown.code, shown.stderr]).toEqual([1, expect.stringMatching(/cannot be read/)]);
  // It is refused again.
  expect((await run('retry', '1')).stdout).toMatch(/1 of 1/);
  await expect.poll(shelf, PATIENCE).toMatch(/block 5\/3/);
  expect((await run('drop', '--all')).stdout).toMatch(/1 of 1/);
  expect(await shelf()).toMatch(/Nothing lies aside/);
});
