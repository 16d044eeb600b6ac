/** One agent shell and its server shells over real sockets on loopback, with queue and journal in memory. */
import type { Server } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceError } from '@sluice/base/error';
import { MIN_REQUEST_INTERVAL_MS } from '@sluice/protocol/limits';
import type { ServerId } from '@sluice/protocol/model';
import type { Ingest } from '@sluice/server/ingest/ingest';
import { afterEach, expect, test } from 'vitest';
import { startRelay } from '../support/relay.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(...parameters: Parameters<typeof startServer>): Promise<Ingest> {
  const started = await startServer(...parameters);
  cleanups.push(() => started.stop());
  return started;
}

function agent(...parameters: Parameters<typeof startAgent>): ReturnType<typeof startAgent> {
  const started = startAgent(...parameters);
  cleanups.push(() => started.stop(0));
  return started;
}

const sequences = (journal: MemoryJournal): number[] =>
  journal.blocks.map((block) => block.header.id.sequence).sort((a, b) => a - b);

test('U12: blocks flow to a server and leave the queue when it has them durable', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal);
  const early = queue.seal(1000);
  const uplink = agent(queue, [ingest.port]);
  journal.hold();
  uplink.blocksSealed([queue.seal(100_000), queue.seal(5000, 'urgent')]);
  await until(journal, 'asked', () => journal.askedCount === 3);
  expect(queue.headers.size).toBe(3);
  journal.release();
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(sequences(journal)).toEqual([1, 2, 3]);
  expect(journal.blocks.find((block) => block.header.id.sequence === 1)?.header).toEqual(early);
  const second = journal.blocks.find((block) => block.header.id.sequence === 2);
  expect(Buffer.compare(second?.payload ?? Buffer.alloc(0), Buffer.alloc(100_000, 2))).toBe(0);
});

test('M10: S1{1,3} S2{2,4}: S2 has the notice when the first block on its channel is taken', async () => {
  const mebibyte = 1024 * 1024;
  const queue = new MemoryQueue();
  const first = new MemoryJournal();
  const second = new MemoryJournal();
  // While the journals hold, nothing is given back and no second grant blurs the picture.
  first.hold();
  second.hold();
  // Without room it grants nothing: so the first block is the other one's.
  second.roomBytes = 0;
  const quotaBytes = 4 * mebibyte;
  const one = await server('s1', first, { priorities: [1, 3], quotaBytes });
  const two = await server('s2', second, { priorities: [2, 4], quotaBytes });
  cleanups.push(async () => {
    first.release();
    second.release();
  });
  let noticesAtFirstUse: number | undefined;
  second.on('asked', () => {
    noticesAtFirstUse ??= two.noticesTotal;
  });
  // Nothing is answered meanwhile: a stall, or a second copy, would blur it too.
  const machine = { leastStallMs: 60_000, stallTimeoutMs: 60_000, hedgeCreditBytes: 0 };
  const uplink = agent(queue, [one.port, two.port], {
    machine: { ...machine, firstWindowBytes: 8 * mebibyte },
  });
  const heldBy = (name: string): number[] => {
    const known = uplink.view().machine.servers.find(({ serverId }) => serverId === name);
    const usable = known?.channels.filter(
      ({ quotaBytes: granted, usedBytes }) => granted - usedBytes >= mebibyte,
    );
    return [...new Set(usable?.map(({ priority }) => priority))];
  };
  await poll(() => uplink.view().connections.every(({ connected }) => connected));
  uplink.blocksSealed([queue.seal(1000, 'urgent', mebibyte)]);
  await until(first, 'asked', () => first.askedCount === 1);
  second.roomBytes = second.maxRawBytes;
  second.emit('room');
  await poll(() => heldBy('s1').join() === '3' && heldBy('s2').join() === '2,4');
  uplink.blocksSealed(Array.from({ length: 3 }, () => queue.seal(1000, 'urgent', mebibyte)));
  await until(first, 'asked', () => first.askedCount === 2);
  await until(second, 'asked', () => second.askedCount === 2);
  expect(first.priorities).toEqual([1, 3]);
  expect(second.priorities).toEqual([2, 4]);
  expect(noticesAtFirstUse).toBe(1);
  expect(two.notices()[0]?.notice).toMatchObject({
    priority: 2,
    outrankedBy: [{ serverId: 's1', highestPriority: 1, heldPriorities: [3] }],
  });
  expect(one.noticesTotal).toBe(0);
  first.release();
  second.release();
  await until(queue, 'changed', () => queue.headers.size === 0);
});

test('U1: a server that is down at the start delays nobody, and is found when it comes', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const late = new MemoryJournal();
  const port = await freePort();
  const ingest = await server('s1', journal);
  const uplink = agent(queue, [port, ingest.port]);
  uplink.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  const view = uplink.view();
  expect(view.connections.map((connection) => connection.connected)).toEqual([false, true]);
  expect(view.problems.join()).toContain('not reachable');
  await server('s0', late, { port });
  await poll(() => uplink.view().connections.every((connection) => connection.connected));
});

test('U14: a server whose socket breaks is found again, and no block is lost or journaled twice', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal);
  const relay = await startRelay(ingest.port);
  cleanups.push(() => relay.close());
  const uplink = agent(queue, [relay.port], { random: () => 0 });
  journal.hold();
  uplink.blocksSealed([queue.seal(200_000), queue.seal(200_000)]);
  await until(journal, 'asked', () => journal.askedCount === 2);
  relay.breakConnections();
  await poll(() => uplink.view().connections[0]?.connected === false);
  journal.release();
  await poll(() => uplink.view().connections[0]?.connected === true);
  uplink.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  // MemoryJournal rejects a second append of a block; nothing was refused for it.
  expect(sequences(journal)).toEqual([1, 2, 3]);
  expect(queue.aside.size).toBe(0);
});

test('U13: a server that makes nothing durable does not hold up the other', async () => {
  const mebibyte = 1024 * 1024;
  const queue = new MemoryQueue();
  const stuck = new MemoryJournal();
  const good = new MemoryJournal();
  stuck.hold();
  // Room for half of what comes: the rest must find its way to the server of lower priority.
  stuck.maxRawBytes = 6 * mebibyte;
  stuck.roomBytes = stuck.maxRawBytes;
  const slow = await server('s1', stuck, { priorities: [1] });
  const quick = await server('s2', good, { priorities: [2] });
  cleanups.push(async () => stuck.release());
  const uplink = agent(queue, [slow.port, quick.port]);
  await poll(() => uplink.view().connections.every((connection) => connection.connected));
  uplink.blocksSealed(Array.from({ length: 12 }, () => queue.seal(1000, 'normal', mebibyte)));
  await until(good, 'appended', () => good.blocks.length >= 6);
  expect(stuck.blocks).toHaveLength(0);
  stuck.release();
  await until(queue, 'changed', () => queue.headers.size === 0);
});

test('U17: room that an agent was granted and has no use for is asked back for another one', async () => {
  const mebibyte = 1024 * 1024;
  const small = new MemoryJournal();
  small.maxRawBytes = 10 * mebibyte;
  small.roomBytes = small.maxRawBytes;
  const leader = await server('s1', new MemoryJournal(), { priorities: [1] });
  const channels = [{ priority: 2, quotaBytes: 16 * mebibyte }];
  // Only asking back ends the grant before this test does.
  const machine = { instance: 's2', channels, grantLifetimeMs: 600_000 };
  const follower = await server('s2', small, { machine });
  const [first, second] = [new MemoryQueue('agent-1'), new MemoryQueue('agent-2')];
  const uplink = agent(first, [leader.port, follower.port]);
  const grantedBy = (): number =>
    uplink.view().machine.servers.filter(({ channels: granted }) => granted.length > 0).length;
  await poll(() => grantedBy() === 2);
  await sleep(2 * MIN_REQUEST_INTERVAL_MS);
  // Both are asked in one step. Who answers first gets the first block; the second one has no room at the follower then.
  uplink.blocksSealed([1, 2].map(() => first.seal(1000, 'normal', 4 * mebibyte)));
  await until(first, 'changed', () => first.headers.size === 0);
  await poll(() => follower.view().outstandingBytes > 3 * mebibyte);
  for (let block = 0; block < 4; block += 1) second.seal(1000, 'normal', mebibyte);
  agent(second, [follower.port]);
  await until(second, 'changed', () => second.headers.size === 0);
  const taken = small.blocks.filter(({ header }) => header.id.agentId === second.agentId);
  expect(taken.map(({ header }) => header.id.sequence)).toEqual([1, 2, 3, 4]);
});

test('U21: an agent that stops with blocks in flight keeps them, and sends them again after its restart', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal);
  const uplink = agent(queue, [ingest.port]);
  journal.hold();
  uplink.blocksSealed([queue.seal(1000)]);
  await until(journal, 'asked', () => journal.askedCount === 1);
  await uplink.stop(50);
  expect([...queue.headers.keys()]).toEqual([1]);
  journal.release();
  await until(journal, 'appended', () => journal.blocks.length === 1);
  agent(queue, [ingest.port]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(sequences(journal)).toEqual([1]);
});

test('U21: a draining server answers what is in flight and says goodbye', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal);
  const uplink = agent(queue, [ingest.port]);
  journal.hold();
  uplink.blocksSealed([queue.seal(1000)]);
  await until(journal, 'asked', () => journal.askedCount === 1);
  const drained = ingest.drain(20_000);
  journal.release();
  await drained;
  await until(queue, 'changed', () => queue.headers.size === 0);
});

test('U12: a malformed block is set aside with the reason, and the next one goes on', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal, {
    validate: (_payload, expected) => {
      if (expected.sequence === 1) throw new SluiceError('block_malformed', 'names are wrong');
      return undefined;
    },
  });
  const uplink = agent(queue, [ingest.port]);
  uplink.blocksSealed([queue.seal(1000), queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(queue.aside.get(1)).toContain('names are wrong');
  expect(sequences(journal)).toEqual([2]);
});

test('two addresses of one server: the second is refused with a problem that names both', async () => {
  const queue = new MemoryQueue();
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal);
  const relay = await startRelay(ingest.port);
  cleanups.push(() => relay.close());
  const uplink = agent(queue, [ingest.port, relay.port]);
  await poll(() => uplink.view().problems.some((problem) => problem.includes('is the same server (s1)')));
  uplink.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(uplink.view().connections.filter((connection) => connection.connected)).toHaveLength(1);
});

test('a server that comes back under another id is a new server', async () => {
  const queue = new MemoryQueue();
  const first = await server('s1', new MemoryJournal());
  const uplink = agent(queue, [first.port], { random: () => 0 });
  await poll(() => uplink.view().connections[0]?.serverId === 's1');
  const { port } = first;
  await first.stop();
  await server('s9', new MemoryJournal(), { port });
  await poll(() => uplink.view().connections[0]?.serverId === 's9');
  uplink.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
});

test('a token is required when the server has one', async () => {
  const ingest = await server('s1', new MemoryJournal(), { token: 'right' });
  const address = `http://127.0.0.1:${ingest.port}`;
  const without = agent(new MemoryQueue('a'), [ingest.port]);
  const wrong = agent(new MemoryQueue('b'), [], { servers: [{ address, token: 'wrong' }] });
  const right = agent(new MemoryQueue('c'), [], { servers: [{ address, token: 'right' }] });
  await poll(() => right.view().connections[0]?.connected === true);
  for (const refused of [without, wrong]) {
    await poll(() => refused.view().problems.some((problem) => problem.includes('token')));
    expect(refused.view().connections[0]?.connected).toBe(false);
  }
});

test('agents report what they see', async () => {
  const ingest = await server('s1', new MemoryJournal());
  agent(new MemoryQueue(), [ingest.port], {
    report: () => ({ unreadBytes: 42, problems: ['a file is gone'] }),
  });
  await poll(() => ingest.reports()[0]?.report !== undefined);
  const [known] = ingest.reports();
  expect(known).toMatchObject({ agentId: 'agent-1', hostName: 'test-host', connected: true });
  expect(known?.report?.problems).toEqual(['a file is gone']);
  expect(known?.report?.unreadBytes).toBe(42n);
  expect(known?.report?.servers).toMatchObject([{ serverId: 's1' as ServerId, connected: true }]);
});

test('a peer that speaks no HTTP/2 is left within the bound, and others are not harmed', async () => {
  const mute: Server = createServer((socket) => socket.on('error', () => socket.destroy()));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => mute.close());
  const address = mute.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const ingest = await server('s1', new MemoryJournal());
  const queue = new MemoryQueue();
  const uplink = agent(queue, [address.port, ingest.port], {
    pingTimes: { pingIntervalMs: 20, pingTimeoutMs: 100 },
  });
  uplink.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  await poll(() => uplink.view().problems.some((problem) => problem.includes('did not answer a ping')));
});

test('garbage bytes neither crash nor hang the server', async () => {
  const journal = new MemoryJournal();
  const ingest = await server('s1', journal, { handshakeTimeoutMs: 100 });
  const garbage = [
    'GET / HTTP/1.1\r\n\r\n',
    '\0\0\0\0',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  ];
  await Promise.all(
    [...garbage, ''].map(
      (bytes) =>
        new Promise<void>((resolve) => {
          const socket = connect(ingest.port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
          socket.on('error', () => socket.destroy());
          socket.once('close', () => resolve());
          socket.resume();
        }),
    ),
  );
  const queue = new MemoryQueue();
  agent(queue, [ingest.port]).blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
