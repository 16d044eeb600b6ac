/**
 * Agents and servers of version 1.0 and of today over real sockets (SPEC U20).
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { startAgent as startWholeAgent } from '@sluice/agent/agent';
import type { Uplink } from '@sluice/agent/uplink/uplink';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { FIRST_BLOCK_FORMAT, formatMark, LATEST_BLOCK_FORMAT, splitPayload } from '@sluice/block/formats';
import { RecordFields } from '@sluice/block/record';
import { checkBlock } from '@sluice/block/validator';
import type { BlockPosition } from '@sluice/protocol/model';
import type { Ingest } from '@sluice/server/ingest/ingest';
import { oldMessages } from '@sluice/wire/fixtures/1.0/version-1.0';
import { ControlRequestSchema, SendRequestSchema } from '@sluice/wire/gen/uplink_pb';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScriptedAgent } from '../../packages/conformance/scripted-agent.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';
import { OldServer } from './old-server.ts';

const logger = pino({ level: process.env.SLUICE_TEST_LOG ?? 'silent' });
let directory: string;
let stops: (() => Promise<unknown> | unknown)[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-versions-'));
});

afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  stops = [];
  rmSync(directory, { recursive: true, force: true });
});

async function todaysServer(journal: MemoryJournal, port = 0): Promise<Ingest> {
  const ingest = await startServer('s-today', journal, { port, validate: checkBlock });
  stops.push(() => ingest.stop());
  return ingest;
}

async function oldServer(port = 0): Promise<{ server: OldServer; port: number }> {
  const server = new OldServer();
  const listening = await server.listen(port);
  stops.push(() => server.close());
  return { server, port: listening };
}

/** A whole agent that follows one file. */
async function wholeAgent(port: number): Promise<{ stop: () => Promise<void> }> {
  const agent = await startWholeAgent({
    directory: path.join(directory, 'agent'),
    servers: [`http://127.0.0.1:${port}`],
    agentId: 'agent-1',
    watch: [path.join(directory, 'app.log')],
    fromStart: true,
    hostName: 'web-1',
    version: 'test',
    logger,
  });
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await agent.stop();
    stopped = true;
  };
  stops.push(stop);
  return { stop };
}

function write(from: number, to: number): void {
  for (let line = from; line < to; line += 1) {
    appendFileSync(path.join(directory, 'app.log'), `2026-11-25T10:00:00Z INFO line ${line}\n`);
  }
}

function count(blocks: readonly { readonly recordCount: number }[]): number {
  return blocks.reduce((sum, { recordCount }) => sum + recordCount, 0);
}

const formatOf = (payload: Uint8Array): number => splitPayload(payload).formatNumber;

test('U20: an agent of 1.0 is served by the server of today: what it said, byte for byte', async () => {
  const journal = new MemoryJournal();
  const { port } = await todaysServer(journal);
  const messages = oldMessages();
  const control = (name: string): ReturnType<typeof fromBinary<typeof ControlRequestSchema>> => {
    const bytes = messages.get(name)?.bytes ?? Buffer.alloc(0);
    const message = fromBinary(ControlRequestSchema, bytes);
    // So these are the bytes that go out.
    expect(Buffer.from(toBinary(ControlRequestSchema, message)).equals(bytes)).toBe(true);
    return message;
  };
  const agent = new ScriptedAgent(port);
  stops.push(() => agent.close());
  for (const name of ['hello', 'uploadRequest', 'notice', 'agentReport']) {
    const { message } = control(name);
    if (message.case !== undefined) agent.say(message);
  }
  const welcome = await agent.hear();
  if (welcome.case !== 'welcome') throw new Error(`no welcome but ${welcome.case}`);
  expect(welcome.value).toMatchObject({ protocolMajor: 1, serverId: 's-today' });
  const grant = await agent.hear();
  if (grant.case !== 'grant') throw new Error(`no grant but ${grant.case}`);
  const open = {
    sessionId: welcome.value.sessionId,
    agentId: 'old-agent',
    grantId: grant.value.grantId,
    channel: grant.value.channels[0]?.channel ?? 0,
  };
  const blocks = ['blockUrgent', 'blockBulk'].map((name) => {
    const { message } = fromBinary(SendRequestSchema, messages.get(name)?.bytes ?? Buffer.alloc(0));
    if (message.case !== 'block') throw new Error(`${name} is no block`);
    return message.value;
  });
  const sent = blocks.map((value) => ({ case: 'block', value }) as const);
  const answers = await agent.send({ case: 'openChannel', value: open }, ...sent);
  expect(answers.map(({ message }) => message.case)).toEqual(['acknowledgement', 'acknowledgement']);
  expect(journal.blocks.map(({ header }) => header.recordCount)).toEqual([300, 1]);
  expect(journal.blocks.map(({ payload }) => formatOf(payload))).toEqual([1, 1]);
});

test('U20: the agent of today serves a server of 1.0, and writes the latest format when that was updated', async () => {
  writeFileSync(path.join(directory, 'app.log'), '');
  const { server, port } = await oldServer();
  write(0, 100);
  const first = await wholeAgent(port);
  await poll(() => count(server.blocks) >= 100);
  // What the server takes is remembered, so that the next start writes it from the first line on.
  await first.stop();
  write(100, 200);
  const second = await wholeAgent(port);
  await poll(() => count(server.blocks) >= 200);
  expect(server.refusals).toEqual([]);
  expect(count(server.blocks)).toBe(200);
  expect(server.blocks.every(({ payload }) => formatOf(payload) === FIRST_BLOCK_FORMAT.number)).toBe(true);
  await server.close();

  const journal = new MemoryJournal();
  await todaysServer(journal, port);
  await poll(() => {
    write(200, 201);
    return journal.blocks.some(({ payload }) => formatOf(payload) === LATEST_BLOCK_FORMAT.number);
  });
  await second.stop();
  write(300, 400);
  const known = journal.blocks.length;
  await wholeAgent(port);
  await until(
    journal,
    'appended',
    () => count(journal.blocks.slice(known).map(({ header }) => header)) >= 100,
  );
  const later = journal.blocks.slice(known);
  expect(later.every(({ payload }) => formatOf(payload) === LATEST_BLOCK_FORMAT.number)).toBe(true);
});

/** A queue with a block in the latest format, and an uplink of it. */
function agentWithLatestBlock(ports: readonly number[]): { queue: MemoryQueue; uplink: Uplink } {
  const queue = new MemoryQueue();
  queue.sealPayload(Buffer.concat([formatMark(LATEST_BLOCK_FORMAT), Buffer.alloc(900, 1)]));
  const uplink = startAgent(queue, ports);
  stops.push(() => uplink.stop(100));
  return { queue, uplink };
}

test('U20: a block that a server of 1.0 would call malformed waits, its agent says why, an update takes it', async () => {
  const { server, port } = await oldServer();
  const { queue, uplink } = agentWithLatestBlock([port]);
  const why = 'takes block formats 1, and block agent-1/7/1';
  await poll(() => uplink.view().problems.some((problem) => problem.includes(why)));
  // Status is made of what the agent reports, to this server too.
  await poll(() => server.report?.problems.some((problem) => problem.includes(why)) ?? false);
  expect(uplink.view().connections[0]?.connected).toBe(false);
  expect([server.blocks.length, server.refusals, queue.aside.size, queue.headers.size]).toEqual([
    0,
    [],
    0,
    1,
  ]);
  await server.close();

  const journal = new MemoryJournal();
  const updated = await startServer('old-server', journal, { port });
  stops.push(() => updated.stop());
  await poll(() => queue.headers.size === 0);
  expect(journal.blocks).toHaveLength(1);
  expect(uplink.view().problems).toEqual([]);
});

/** The payload of a block as an agent of 1.0 sealed it. */
function firstPayload(id: BlockPosition): { payload: Buffer; rawBytes: number } {
  const builder = new BlockBuilder('bulk');
  const fields = new RecordFields();
  for (let record = 0; record < 10; record += 1) builder.append(fields);
  const sealed = builder.seal(id, FIRST_BLOCK_FORMAT);
  return { payload: compressBlockSync(sealed), rawBytes: sealed.header.rawBytes };
}

test('U20: a server of 1.0 gets the blocks of each run of the agent in a connection of their own', async () => {
  const { server, port } = await oldServer();
  const queue = new MemoryQueue();
  const { agentId } = queue;
  const epochs = [queue.epoch - 2, queue.epoch - 2, queue.epoch - 1, queue.epoch];
  for (const [index, epoch] of epochs.entries()) {
    const { payload, rawBytes } = firstPayload({ agentId, epoch, sequence: index + 1 });
    queue.sealPayload(payload, 'bulk', rawBytes, epoch);
  }
  const uplink = startAgent(queue, [port]);
  stops.push(() => uplink.stop(100));
  await poll(() => queue.headers.size === 0);
  expect([server.refusals, queue.aside.size]).toEqual([[], 0]);
  expect(server.blocks.map(({ epoch }) => Number(epoch))).toEqual(epochs);
  expect(server.epochs).toEqual([queue.epoch, queue.epoch - 2, queue.epoch - 1, queue.epoch]);
});

test('U20: a block that one server does not take goes to another one, and then both are used', async () => {
  const { server, port } = await oldServer();
  const journal = new MemoryJournal();
  const { queue, uplink } = agentWithLatestBlock([port]);
  await poll(() => uplink.view().problems.length > 0);
  await uplink.stop(100);
  const newer = await startServer('s-newer', journal);
  stops.push(() => newer.stop());
  const both = startAgent(queue, [port, newer.port], { machine: { inDoubtTimeoutMs: 500 } });
  stops.push(() => both.stop(100));
  await poll(() => journal.blocks.length === 1);
  await poll(() => both.view().connections.every(({ connected }) => connected));
  expect([server.blocks.length, server.refusals, queue.aside.size, queue.headers.size]).toEqual([
    0,
    [],
    0,
    0,
  ]);
});

test('U20: a server that is sent a format of the future has it sent again, and calls it not malformed', async () => {
  const journal = new MemoryJournal();
  const { port } = await todaysServer(journal);
  const agent = new ScriptedAgent(port);
  stops.push(() => agent.close());
  const { sessionId, grantId, channel } = await agent.begin();
  const payload = Buffer.concat([formatMark({ number: 900, columns: [] }), Buffer.alloc(900, 1)]);
  const [answer] = await agent.send(
    { case: 'openChannel', value: { sessionId, agentId: 'raw', grantId, channel } },
    {
      case: 'block',
      value: {
        epoch: 1n,
        sequence: 1n,
        urgency: 1,
        rawBytes: 5000,
        recordCount: 3,
        oldestObservedMs: 1n,
        payload,
      },
    },
  );
  expect(answer?.message).toMatchObject({
    case: 'refusal',
    value: { retryable: true, reason: 'block format 900 is not known here, only 1, 2, 3, 4' },
  });
});

test('U20: an agent that writes only formats of the future is told which ones are taken', async () => {
  const { port } = await todaysServer(new MemoryJournal());
  const agent = new ScriptedAgent(port);
  stops.push(() => agent.close());
  agent.sayHello({ blockFormats: [900] });
  await expect(agent.hear()).rejects.toThrow(
    'the agent writes block formats 900, this server takes 1, 2, 3, 4',
  );
});
