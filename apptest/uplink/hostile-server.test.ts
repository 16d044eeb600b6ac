/** Servers that answer what they should not: the agent believes none of it, and keeps its blocks. */
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Uplink } from '@sluice/agent/uplink/uplink';
import type { SendResponseSchema, WelcomeSchema } from '@sluice/wire/gen/uplink_pb';
import { UplinkService } from '@sluice/wire/gen/uplink_pb';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

type Answer = MessageInitShape<typeof SendResponseSchema>;

let server: http2.Http2Server | undefined;
const sessions = new Set<http2.ServerHttp2Session>();
let agent: Uplink | undefined;

afterEach(async () => {
  await agent?.stop(0);
  for (const session of sessions) session.destroy();
  await new Promise<void>((resolve) => server?.close(() => resolve()));
});

/**
 * A server that grants once.
 *
 * @param answersTo what it says to the opening of a channel (undefined), and to each block by its position
 * @param complaint with which it ends each control stream
 */
async function startHostile(
  capabilities: MessageInitShape<typeof WelcomeSchema>,
  answersTo: (block: { readonly epoch: bigint; readonly sequence: bigint } | undefined) => Answer[],
  complaint?: string,
): Promise<number> {
  server = http2.createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(UplinkService, {
          control: async function* (requests) {
            for await (const { message } of requests) {
              if (message.case === 'hello') {
                if (complaint !== undefined) throw new ConnectError(complaint, Code.Unavailable);
                const value = { protocolMajor: 1, serverId: 'hostile', sessionId: 'x', ...capabilities };
                yield { message: { case: 'welcome' as const, value } };
              }
              if (message.case !== 'uploadRequest') continue;
              const { requestId } = message.value;
              const channels = [{ channel: 1, priority: 1, quotaBytes: 10_000_000n }];
              const value = { grantId: `g${requestId}`, requestId, channels, lifetimeMs: 60_000n };
              yield { message: { case: 'grant' as const, value } };
            }
          },
          send: async function* (requests) {
            for await (const { message } of requests) {
              yield* answersTo(message.case === 'block' ? message.value : undefined);
            }
          },
        }),
    }),
  );
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Resolves with what the agent's log says of the broken channel, or when it forgot a block. */
async function outcome(queue: MemoryQueue, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const logger = pino(
    { level: 'warn' },
    {
      write: (line: string) => {
        if (line.includes('channel broken')) resolve(line);
      },
    },
  );
  agent = startAgent(queue, [port], { logger });
  void until(queue, 'changed', () => queue.headers.size < 2).then(() => resolve('a block was forgotten'));
  return await promise;
}

function queueOfTwo(queue: MemoryQueue = new MemoryQueue()): MemoryQueue {
  queue.seal(1000);
  queue.seal(1000);
  return queue;
}

function acknowledgement(epoch: bigint, sequence: bigint): Answer {
  return { message: { case: 'acknowledgement', value: { epoch, sequence } } };
}

test('U25: a server that knows digests acknowledges nothing without one', async () => {
  const port = await startHostile({ blockFormats: [1], digestKinds: ['sha256-128'] }, (block) =>
    block === undefined ? [] : [acknowledgement(block.epoch, block.sequence)],
  );
  const queue = queueOfTwo();
  expect(await outcome(queue, port)).toContain('a digest has 16 bytes');
  expect(queue.headers.size).toBe(2);
});

test('U12: a block that has not left is not acknowledged, whatever the server says', async () => {
  class SlowQueue extends MemoryQueue {
    override readPayload(): Promise<undefined> {
      return new Promise(() => undefined);
    }
  }
  const port = await startHostile({}, () => [acknowledgement(7n, 1n)]);
  const queue = queueOfTwo(new SlowQueue());
  expect(await outcome(queue, port)).toContain('a block that it was not sent');
  expect(queue.headers.size).toBe(2);
});

test('U19: what one server says at length keeps no other one from hearing of the agent', async () => {
  const port = await startHostile({}, () => [], 'long '.repeat(100_000));
  const honest = await startServer('honest', new MemoryJournal());
  agent = startAgent(new MemoryQueue(), [port, honest.port]);
  await poll(() => honest.reports()[0]?.report?.servers.some(({ error }) => error.includes('long')) ?? false);
  expect(agent.view().connections.map(({ connected }) => connected)).toEqual([false, true]);
  await agent.stop(0);
  await honest.stop();
});
