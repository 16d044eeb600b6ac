/** Servers that break the protocol: what they say is passed over and shown, and they are met less and less. */
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { MAX_VIOLATIONS_PER_CONNECTION } from '@sluice/agent/uplink/limits';
import type { Uplink } from '@sluice/agent/uplink/uplink';
import {
  type Block,
  type ControlResponseSchema,
  type SendResponseSchema,
  UplinkService,
} from '@sluice/wire/gen/uplink_pb';
import { afterEach, expect, test } from 'vitest';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

type Told = MessageInitShape<typeof ControlResponseSchema>;
type Answer = MessageInitShape<typeof SendResponseSchema>;

interface Script {
  /** What it says right after Welcome. */
  readonly first?: readonly Told[];
  /** To each block. */
  readonly answers: (block: Block) => readonly Answer[];
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A server that grants at once what is asked for. */
async function startScripted({
  first = [],
  answers,
}: Script): Promise<{ port: number; hellos: () => number }> {
  let hellos = 0;
  const sessions = new Set<http2.ServerHttp2Session>();
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(UplinkService, {
        control: async function* (requests) {
          for await (const { message } of requests) {
            if (message.case === 'hello') {
              hellos += 1;
              const value = { protocolMajor: 1, serverId: 'wrong', sessionId: 'x', blockFormats: [1, 2, 3] };
              yield { message: { case: 'welcome' as const, value } };
              yield* first;
            }
            if (message.case !== 'uploadRequest') continue;
            const { requestId } = message.value;
            yield grantTo(requestId, 1);
          }
        },
        send: async function* (requests) {
          for await (const { message } of requests)
            if (message.case === 'block') yield* answers(message.value);
        },
      }),
  });
  const server = http2.createServer(routes);
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    for (const session of sessions) session.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, hellos: () => hellos };
}

function grantTo(requestId: bigint, priority: number): Told {
  const channels = [{ channel: 1, priority, quotaBytes: 10_000_000n }];
  const value = { grantId: `g${requestId}`, requestId, channels, lifetimeMs: 60_000n };
  return { message: { case: 'grant', value } };
}

function acknowledged({ epoch, sequence }: Block): Answer {
  return { message: { case: 'acknowledgement', value: { epoch, sequence } } };
}

function start(queue: MemoryQueue, ports: readonly number[], inDoubtTimeoutMs = 30_000): Uplink {
  const uplink = startAgent(queue, ports, { machine: { inDoubtTimeoutMs }, random: () => 1 });
  cleanups.push(() => uplink.stop(0));
  return uplink;
}

function sealMany(queue: MemoryQueue, count: number): ReturnType<MemoryQueue['seal']>[] {
  return Array.from({ length: count }, () => queue.seal(100, 'normal', 20_000));
}

test('U12: an acknowledgement that comes twice changes nothing, and is shown', async () => {
  const { port, hellos } = await startScripted({
    answers: (block) => [acknowledged(block), acknowledged(block)],
  });
  const queue = new MemoryQueue();
  const uplink = start(queue, [port]);
  uplink.blocksSealed(sealMany(queue, 50));
  await until(queue, 'changed', () => queue.headers.size === 0);
  await poll(() => uplink.view().problems.some((problem) => problem.includes('twice')));
  expect(uplink.view().connections[0]?.connected).toBe(true);
  expect(hellos()).toBe(1);
});

test('U19: a grant that cannot be read is passed over and shown, and the connection stays', async () => {
  const first = [grantTo(1n, 0), { message: { case: 'revocation', value: { channel: 3 } } } satisfies Told];
  const { port, hellos } = await startScripted({ first, answers: (block) => [acknowledged(block)] });
  const queue = new MemoryQueue();
  const uplink = start(queue, [port]);
  uplink.blocksSealed(sealMany(queue, 3));
  await until(queue, 'changed', () => queue.headers.size === 0);
  const { problems } = uplink.view();
  expect(problems.find((problem) => problem.includes('grant.priority'))).toContain(`127.0.0.1:${port}: `);
  expect(problems.some((problem) => problem.includes('names a channel without its grant'))).toBe(true);
  expect(hellos()).toBe(1);
});

test('U19: a server that goes on breaking the protocol is left, and met late', async () => {
  const first = Array.from({ length: MAX_VIOLATIONS_PER_CONNECTION + 1 }, () => grantTo(1n, 0));
  const { port, hellos } = await startScripted({ first, answers: () => [] });
  const good = await startServer('good', new MemoryJournal(), { priorities: [2] });
  cleanups.push(() => good.stop());
  const queue = new MemoryQueue();
  const uplink = start(queue, [port, good.port]);
  await poll(() => uplink.view().connections[0]?.error?.includes('broke the protocol') ?? false);
  uplink.blocksSealed(sealMany(queue, 20));
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(hellos()).toBeLessThanOrEqual(2);
  expect(uplink.view().problems.some((problem) => problem.includes('times of late'))).toBe(true);
});

test('U12: a server that acknowledges what it was not sent is left, and all goes to another one', async () => {
  const { port, hellos } = await startScripted({
    answers: ({ epoch, sequence }) => [
      { message: { case: 'acknowledgement', value: { epoch, sequence: sequence + 1000n } } },
    ],
  });
  const journal = new MemoryJournal();
  const good = await startServer('good', journal, { priorities: [2] });
  cleanups.push(() => good.stop());
  const queue = new MemoryQueue();
  const uplink = start(queue, [port, good.port], 2000);
  await poll(() => uplink.view().connections.every(({ connected }) => connected));
  uplink.blocksSealed(sealMany(queue, 300));
  await until(queue, 'changed', () => queue.headers.size === 0);
  expect(journal.blocks).toHaveLength(300);
  // A usual connection would be tried five times within the time in doubt.
  expect(hellos()).toBeLessThanOrEqual(2);
  const [wrong] = uplink.view().connections;
  expect(wrong?.peerProblems.join()).toContain('it answered a block that it was not sent');
});
