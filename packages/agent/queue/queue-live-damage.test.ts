/** What the queue makes of a file that is damaged while it is open: one clear error, and nothing is done with it any more. */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DurableQueue } from './queue.ts';
import { openQueueFileDirectly, queueBlock } from './queue-fixture.ts';
import type { NewBlock } from './queued-block.ts';

const PAGE_BYTES = 4096;
const HEADER_PAGES = 2;
const BLOCKS = 50;

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-live-damage-'));
  file = path.join(directory, 'queue.mdb');
});
afterEach(() => rmSync(directory, { recursive: true }));

function block(queue: DurableQueue): NewBlock {
  return queueBlock(queue, Buffer.alloc(3000, queue.nextSequence));
}

/** Zeros on all pages behind the header: what LMDB says of those without ending the process. Returns what stood there. */
function zeroPages(): Buffer {
  const descriptor = openSync(file, 'r+');
  const bytes = Buffer.alloc(fstatSync(descriptor).size - HEADER_PAGES * PAGE_BYTES);
  readSync(descriptor, bytes, 0, bytes.length, HEADER_PAGES * PAGE_BYTES);
  writeSync(descriptor, Buffer.alloc(bytes.length), 0, bytes.length, HEADER_PAGES * PAGE_BYTES);
  closeSync(descriptor);
  return bytes;
}

function putPagesBack(bytes: Buffer): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, HEADER_PAGES * PAGE_BYTES);
  closeSync(descriptor);
}

it('says what to do, and asks LMDB nothing more, even when the file reads well again', async () => {
  const queue = await DurableQueue.open({ directory, agentId: 'web-1' });
  const blocks = Array.from({ length: BLOCKS }, () => block(queue));
  for (const one of blocks) await queue.commitCut([one], []);
  const [first, second] = blocks;
  if (first === undefined || second === undefined) throw new Error('two blocks');
  expect(queue.damage).toBeUndefined();
  const before = zeroPages();
  expect(() => queue.readPayload(first.header.id)).toThrow(/MDB_/);
  putPagesBack(before);
  expect(queue.damage?.error).toMatchObject({ code: 'state_corrupt', hint: /^Restart the agent: it saves/ });
  const { message } = queue.damage?.error ?? {};
  expect(() => queue.readPayload(second.header.id)).toThrow(message);
  await expect(queue.commitCut([block(queue)], [])).rejects.toThrow(message);
  await expect(queue.remove([second.header.id])).rejects.toThrow(message);
  await queue.close();
  const again = await DurableQueue.open({ directory });
  expect([again.damage, again.blockCount]).toEqual([undefined, BLOCKS]);
  await again.close();
});

it('takes a block whose payload is gone out, and counts it as lost', async () => {
  const queue = await DurableQueue.open({ directory, agentId: 'web-1' });
  const [gone, kept] = [block(queue), block(queue)];
  await queue.commitCut([gone, kept], []);
  // The same process may have the file open twice, and both see the same.
  const { environment, payloads } = openQueueFileDirectly(file);
  await payloads.remove(gone.header.id.sequence);
  expect(queue.readPayload(gone.header.id)).toBeUndefined();
  await queue.setAside(gone.header.id, 'the queue does not hold the payload');
  await environment.close();
  expect([...queue.blocks()].map(({ header }) => header.id)).toEqual([kept.header.id]);
  expect(queue.setAsideBlocks()).toEqual([]);
  expect(queue.statistics.lossTotals).toEqual({ losses: 1, blocks: 1 });
  expect(queue.statistics.losses[0]?.message).toMatch(/payload of block 1 was missing/);
  await queue.close();
});
