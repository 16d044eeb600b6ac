/** Peers that break the rules: each gets a typed error, and nobody else notices. */
import * as http2 from 'node:http2';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Ingest } from '@sluice/server/ingest/ingest';
import { UplinkService } from '@sluice/wire/gen/uplink_pb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ScriptedAgent } from '../../packages/conformance/scripted-agent.ts';
import { MemoryJournal, MemoryQueue, poll, startAgent, startServer, until } from './fixtures.ts';

let journal: MemoryJournal;
let ingest: Ingest;
let raw: ScriptedAgent;

beforeEach(async () => {
  journal = new MemoryJournal();
  ingest = await startServer('s1', journal);
  raw = new ScriptedAgent(ingest.port);
});

afterEach(async () => {
  // Whatever the peer did, an honest agent is still served.
  const queue = new MemoryQueue('honest');
  const agent = startAgent(queue, [ingest.port]);
  agent.blocksSealed([queue.seal(1000)]);
  await until(queue, 'changed', () => queue.headers.size === 0);
  await agent.stop(0);
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

test('U20: an agent of another major version is told both versions', async () => {
  raw.sayHello({ protocolMajor: 2 });
  await expect(raw.hear()).rejects.toThrow(/failed_precondition.*speaks protocol 2, this server speaks 1/);
});

test('U20: an agent meets a server of another major version, and says so', async () => {
  const server = http2.createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(UplinkService, {
          control: async function* () {
            yield {
              message: {
                case: 'welcome' as const,
                value: { protocolMajor: 9, serverId: 'new', sessionId: 'x' },
              },
            };
          },
        }),
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const agent = startAgent(new MemoryQueue(), [address.port]);
  await poll(() => agent.view().problems.some((problem) => problem.includes('speaks protocol 9')));
  await agent.stop(0);
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test('a stream that does not start with Hello ends with an error', async () => {
  raw.say({ case: 'goodbye', value: { reason: 'no' } });
  await expect(raw.hear()).rejects.toThrow(/invalid_argument.*Hello/);
});

test.each([
  ['empty', ''],
  ['too long', 'x'.repeat(129)],
  ['with a line break', 'a\nb'],
])('an agent id that is %s is refused', async (_name, agentId) => {
  raw.sayHello({ agentId });
  await expect(raw.hear()).rejects.toThrow(/invalid_argument.*agent_id/);
});

test('U19: a connection is one agent: a second control stream on it is refused, and the first lives on', async () => {
  raw.sayHello({ agentId: 'one' });
  expect((await raw.hear()).case).toBe('welcome');
  const second = new ScriptedAgent(raw);
  second.sayHello({ agentId: 'two' });
  await expect(second.hear()).rejects.toThrow(/failed_precondition.*control stream/);
  await poll(() => ingest.runs().length === 1);
  expect(ingest.runs().map(({ run }) => run.agentId)).toEqual(['one']);
});

test('an epoch past the safe integers is refused', async () => {
  raw.sayHello({ epoch: 2n ** 60n });
  await expect(raw.hear()).rejects.toThrow(/invalid_argument.*epoch/);
});

test('U19: an oversized control message ends the stream', async () => {
  raw.sayHello();
  expect((await raw.hear()).case).toBe('welcome');
  raw.say({ case: 'goodbye', value: { reason: 'x'.repeat(300 * 1024) } });
  await expect(raw.hear()).rejects.toThrow(/resource_exhausted/);
});

test('U19: an oversized block ends its stream and no other', async () => {
  const open = await raw.begin();
  const payload = new Uint8Array(5 * 1024 * 1024);
  await expect(
    raw.send(
      { case: 'openChannel', value: { ...open, agentId: 'raw' } },
      { case: 'block', value: { ...block, payload } },
    ),
  ).rejects.toThrow(/resource_exhausted/);
  const answers = await raw.send(
    { case: 'openChannel', value: { ...open, agentId: 'raw' } },
    { case: 'block', value: block },
  );
  expect(answers.map((answer) => answer.message.case)).toEqual(['acknowledgement']);
});

test.each([
  ['session', { sessionId: 'guessed' }],
  ['agent', { agentId: 'another' }],
  ['grant', { grantId: 'never-given' }],
  ['channel', { channel: 16 }],
])('a channel of another %s is refused', async (_name, wrong) => {
  const open = await raw.begin();
  await expect(
    raw.send(
      { case: 'openChannel', value: { ...open, agentId: 'raw', ...wrong } },
      { case: 'block', value: block },
    ),
  ).rejects.toThrow(/failed_precondition/);
  expect(journal.blocks).toHaveLength(0);
});

test.each([
  ['an unknown class', { urgency: 9 }],
  ['no sequence', { sequence: 0n }],
  ['a digest of another length', { digest: new Uint8Array(15) }],
  ['too many raw bytes', { rawBytes: 2 ** 31 }],
  ['no records', { recordCount: 0 }],
  ['no payload', { payload: new Uint8Array(0) }],
])('a block with %s ends its stream', async (_name, wrong) => {
  const open = await raw.begin();
  await expect(
    raw.send(
      { case: 'openChannel', value: { ...open, agentId: 'raw' } },
      { case: 'block', value: { ...block, ...wrong } },
    ),
  ).rejects.toThrow(/invalid_argument/);
  expect(journal.blocks).toHaveLength(0);
});

test('U14: the same block twice at once is journaled once and acknowledged twice', async () => {
  const open = await raw.begin();
  journal.hold();
  const opening = { case: 'openChannel' as const, value: { ...open, agentId: 'raw' } };
  const twice = raw.send(opening, { case: 'block', value: block }, { case: 'block', value: block });
  await until(journal, 'asked', () => journal.askedCount === 1);
  journal.release();
  const answers = await twice;
  expect(answers.map((answer) => answer.message.case)).toEqual(['acknowledgement', 'acknowledgement']);
  expect(journal.blocks).toHaveLength(1);
});

test('a path that is no call of the service is answered with 404', async () => {
  const session = http2.connect(`http://127.0.0.1:${ingest.port}`);
  const stream = session.request({ ':path': '/etc/passwd' });
  const status = await new Promise((resolve) =>
    stream.once('response', (headers) => resolve(headers[':status'])),
  );
  expect(status).toBe(404);
  session.destroy();
});

test('a port in use is named', async () => {
  await expect(startServer('s2', new MemoryJournal(), { port: ingest.port })).rejects.toMatchObject({
    code: 'address_in_use',
    message: expect.stringContaining(`127.0.0.1:${ingest.port}`),
  });
});

test('beyond loopback the uplink wants TLS and a token', async () => {
  await expect(startServer('s2', new MemoryJournal(), { host: '0.0.0.0' })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('TLS and a token'),
  });
});
