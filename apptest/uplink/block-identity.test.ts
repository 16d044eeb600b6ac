/** What identifies a block on the wire: its position and its content (U25). */
import type { Ingest } from '@sluice/server/ingest/ingest';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScriptedAgent } from '../../packages/conformance/scripted-agent.ts';
import { MemoryJournal, MemoryQueue, startAgent, startServer, until } from './fixtures.ts';

let journal: MemoryJournal;
let ingest: Ingest;
let raw: ScriptedAgent;

beforeEach(async () => {
  journal = new MemoryJournal();
  ingest = await startServer('s1', journal);
  raw = new ScriptedAgent(ingest.port);
});

afterEach(async () => {
  raw.close();
  await ingest.stop();
});

const block = {
  epoch: 1n,
  sequence: 1n,
  urgency: 1,
  rawBytes: 100,
  recordCount: 1,
  oldestObservedMs: 1n,
  payload: new Uint8Array(10),
};

test('U25: another content at a known position is another block: taken, and acknowledged as such', async () => {
  const { sessionId, grantId, channel } = await raw.begin();
  const open = { case: 'openChannel' as const, value: { sessionId, agentId: 'raw', grantId, channel } };
  const other = { ...block, payload: new Uint8Array(10).fill(1) };
  const answers = await raw.send(
    open,
    { case: 'block', value: block },
    { case: 'block', value: other },
    { case: 'block', value: block },
  );
  const digests = answers.map(({ message }) =>
    message.case === 'acknowledgement' ? Buffer.from(message.value.digest).toString('hex') : message.case,
  );
  expect(digests).toHaveLength(3);
  expect(digests[0]).not.toBe(digests[1]);
  expect(digests[2]).toBe(digests[0]);
  expect(journal.blocks.map(({ header }) => header.id.digest)).toEqual(digests.slice(0, 2));
});

test('U25: a block that is not what its digest was made of is refused, to be sent again', async () => {
  const { sessionId, grantId, channel } = await raw.begin();
  const open = { case: 'openChannel' as const, value: { sessionId, agentId: 'raw', grantId, channel } };
  const digest = new Uint8Array(16).fill(7);
  const [answer] = await raw.send(open, { case: 'block', value: { ...block, digest } });
  expect(answer?.message).toMatchObject({ case: 'refusal', value: { retryable: true, digest } });
  expect(journal.blocks).toEqual([]);
});

test('U25: blocks of earlier runs are taken in the session of a later one', async () => {
  const { sessionId, grantId, channel } = await raw.begin();
  const open = { case: 'openChannel' as const, value: { sessionId, agentId: 'raw', grantId, channel } };
  const [answer] = await raw.send(open, { case: 'block', value: { ...block, epoch: 77n } });
  expect(answer?.message).toMatchObject({ case: 'acknowledgement', value: { epoch: 77n } });
});

test('U25: a payload that changed in the queue is set aside and never sent', async () => {
  const queue = new MemoryQueue();
  const damaged = queue.seal(1000);
  queue.payloads.get(damaged.id.sequence)?.fill(99, 500, 501);
  const agent = startAgent(queue, [ingest.port]);
  agent.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  await agent.stop(0);
  expect(queue.aside.get(damaged.id.sequence)).toMatch(/damaged/u);
  expect(journal.blocks.map(({ header }) => header.id.sequence)).toEqual([2]);
});
