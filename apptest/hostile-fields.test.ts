/**
 * An agent that puts extreme values into every field of all that an agent can say, made from the schema, so that a new field
 * is tried too. Whatever becomes of it: the status still answers, and what another agent sends is found.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DescMessage, fromJson, type JsonObject, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { FIRST_BLOCK_FORMAT } from '@sluice/block/formats';
import { RecordFields } from '@sluice/block/record';
import { pickPort } from '@sluice/host/pick-port';
import { readAgentId } from '@sluice/wire/convert/fields';
import { AgentService } from '@sluice/wire/gen/agents_pb';
import { QueryService } from '@sluice/wire/gen/query_pb';
import { ControlRequestSchema, SendRequestSchema } from '@sluice/wire/gen/uplink_pb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScriptedAgent } from '../packages/conformance/scripted-agent.ts';
import { type Client, clientOf, type RunningProgram, startProgram } from './support/programs.ts';

const HOST = '127.0.0.1';
const NUMBERS_64 = ['0', `${2n ** 53n - 1n}`, `${2n ** 63n}`, `${2n ** 64n - 1n}`];
const NUMBERS_32 = [0, 2 ** 31 - 1];
const TEXTS = ['', 'a\0b', `'\\";--`, '__proto__', 'é'.repeat(128), 'y'.repeat(100_000)];
const BYTES = ['', Buffer.alloc(32, 255).toString('base64')];
const LINES = 5;
/** A call of the hostile agent that neither ends nor goes on is left behind after so long. */
const ATTEMPT_MS = 3000;
/** Some tests make about a hundred attempts. */
const PATIENCE = { timeout: 100 * ATTEMPT_MS };

let directory: string;
let server: RunningProgram;
let client: Client;
let uplinkPort: number;
let apiUrl: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-fields-'));
  uplinkPort = await pickPort(HOST, 0);
  const apiPort = await pickPort(HOST, 0);
  apiUrl = `http://${HOST}:${apiPort}`;
  client = clientOf(apiUrl);
  server = await startProgram(
    [
      ...['server', '--id', 's1', '--data', path.join(directory, 's1')],
      ...['--listen', `${HOST}:${uplinkPort}`, '--api-listen', `${HOST}:${apiPort}`],
    ],
    'ready ',
  );
});

afterAll(async () => {
  await server.end();
  rmSync(directory, { recursive: true, force: true });
});

test('Hello', PATIENCE, async () => {
  const base = { protocolMajor: 1, epoch: '5', nextSequence: '1000' };
  let tried = 0;
  for (const hello of variants(messageOf('hello'), base)) {
    tried += 1;
    await withAgent(async (agent) => {
      const { agentId = `hello-${tried}` } = hello;
      const opened = await begin(agent, { ...hello, agentId });
      await sendBlock(agent, { ...opened, agentId }, block('evil', 5, 7));
    });
  }
  expect(tried).toBeGreaterThan(40);
  await expectService('hello');
});

test.each(['uploadRequest', 'priorityViolationNotice', 'agentReport', 'goodbye', 'proof'])(
  '%s',
  PATIENCE,
  async (kind) => {
    let tried = 0;
    for (const message of variants(messageOf(kind), {})) {
      tried += 1;
      await withAgent(async (agent) => {
        await begin(agent, { protocolMajor: 1, agentId: `control-${kind}`, epoch: '5' });
        say(agent, kind, message);
        // The server has read what was said before this when it answers, or has ended the call.
        say(agent, 'uploadRequest', {
          requestId: '9',
          backlog: [{ urgency: 1, recordCount: '1', rawBytes: '9' }],
        });
        for (;;) {
          const answer = await agent.hear();
          if (answer.case === 'grant' && answer.value.requestId === 9n) break;
        }
        // While it is connected its report counts.
        if (kind === 'agentReport') await expectStatus();
      });
    }
    expect(tried).toBeGreaterThan(1);
    await expectService(kind);
  },
);

test('Block', PATIENCE, async () => {
  const schema = SendRequestSchema.fields.find((field) => field.localName === 'block')?.message;
  if (schema === undefined) throw new Error('no block in the schema');
  let tried = 0;
  for (const fields of variants(schema, {}))
    for (const mark of [{}, { inDoubtAtServerId: 's9' }]) {
      tried += 1;
      const agentId = `block-${tried}`;
      await withAgent(async (agent) => {
        const opened = await begin(agent, { protocolMajor: 1, agentId, epoch: '5', nextSequence: '1000' });
        await sendBlock(agent, { ...opened, agentId }, { ...block(agentId, 5, 7), ...mark, ...fields });
      });
    }
  expect(tried).toBeGreaterThan(40);
  await expectService('block');
});

/** What an honest agent sends is found, and the server tells how it is. */
async function expectService(word: string): Promise<void> {
  const agent = new ScriptedAgent(uplinkPort);
  const agentId = `good-${word}`;
  try {
    const opened = await begin(agent, { protocolMajor: 1, agentId, epoch: '6' });
    for (let sequence = 1; sequence <= LINES; sequence += 1) {
      const marked = sequence % 2 === 0 ? {} : { inDoubtAtServerId: 's9' };
      const sent = { ...block(agentId, 6, sequence), ...marked };
      expect(await sendBlock(agent, { ...opened, agentId }, sent)).toEqual(['acknowledgement']);
    }
    await expect.poll(() => client.count(`"${agentId}"`)).toBe(LINES);
  } finally {
    agent.close();
  }
  await expectStatus();
  for (const page of ['/metrics', '/healthz', '/']) expect((await fetch(apiUrl + page)).status).toBe(200);
}

/** In the binary form, which refuses numbers that JSON lets pass. */
async function expectStatus(): Promise<void> {
  const transport = createConnectTransport({ httpVersion: '1.1', baseUrl: apiUrl });
  const [status] = await Promise.all([
    createClient(QueryService, transport).getStatus({}),
    createClient(AgentService, transport).listAgents({}),
  ]).catch((error: unknown) => {
    // By another name than the hostile agent's own errors.
    throw new Error('the status was not answered', { cause: error });
  });
  expect(status.servers[0]?.serverId).toBe('s1');
}

/** Whatever becomes of the hostile agent's own call is its matter; what an assertion found is not. */
async function withAgent(attempt: (agent: ScriptedAgent) => Promise<void>): Promise<void> {
  const agent = new ScriptedAgent(uplinkPort);
  const timer = setTimeout(() => agent.close(), ATTEMPT_MS);
  try {
    await attempt(agent);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'CallEnded') {
      if (!(error instanceof Error) || !/no welcome|without an error/.test(error.message)) throw error;
    }
  } finally {
    clearTimeout(timer);
    agent.close();
  }
}

async function begin(agent: ScriptedAgent, hello: JsonObject): Promise<JsonObject> {
  const message = fromJson(ControlRequestSchema, { hello }).message;
  if (message.case !== 'hello') throw new Error('not a Hello');
  return await agent.begin({ ...message.value });
}

function say(agent: ScriptedAgent, kind: string, value: JsonObject): void {
  const { message } = fromJson(ControlRequestSchema, { [kind]: value });
  if (message.case === undefined) throw new Error(`no message of the kind ${kind}`);
  agent.say(message);
}

async function sendBlock(
  agent: ScriptedAgent,
  openChannel: JsonObject,
  sent: JsonObject,
): Promise<unknown[]> {
  const open = fromJson(SendRequestSchema, { openChannel }).message;
  const { message } = fromJson(SendRequestSchema, { block: sent });
  if (open.case === undefined || message.case === undefined) throw new Error('not a channel and a block');
  return (await agent.send(open, message)).map((answer) => answer.message.case);
}

function block(agentId: string, epoch: number, sequence: number): JsonObject {
  const builder = new BlockBuilder('urgent');
  const record = new RecordFields();
  record.bodyText = `ERROR ${agentId} number${sequence}`;
  builder.append(record);
  const sealed = builder.seal({ agentId: readAgentId(agentId), epoch, sequence }, FIRST_BLOCK_FORMAT);
  return {
    ...{ epoch: `${epoch}`, sequence: `${sequence}`, urgency: 1, oldestObservedMs: `${Date.now()}` },
    ...{ rawBytes: sealed.header.rawBytes, recordCount: sealed.header.recordCount },
    payload: Buffer.from(compressBlockSync(sealed)).toString('base64'),
  };
}

function messageOf(kind: string): DescMessage {
  const message = ControlRequestSchema.fields.find((field) => field.localName === kind)?.message;
  if (message === undefined) throw new Error(`no message of the kind ${kind}`);
  return message;
}

/** `base` with each leaf in turn at each extreme value, and then with all leaves at once. */
function* variants(message: DescMessage, base: JsonObject): Generator<JsonObject> {
  for (const field of message.fields) {
    const isList = field.fieldKind === 'list';
    const values = field.message === undefined ? extremes(field) : variants(field.message, {});
    for (const value of values) yield { ...base, [field.localName]: isList ? [value, value] : value };
  }
  for (let index = 0; index < TEXTS.length; index += 1) yield { ...base, ...allAt(message, index) };
}

function allAt(message: DescMessage, index: number): JsonObject {
  const all: JsonObject = {};
  for (const field of message.fields) {
    const values = extremes(field);
    const value = field.message === undefined ? values[index % values.length] : allAt(field.message, index);
    if (value !== undefined) all[field.localName] = field.fieldKind === 'list' ? [value] : value;
  }
  return all;
}

function extremes(field: DescMessage['fields'][number]): JsonValue[] {
  if (field.enum !== undefined) return NUMBERS_32;
  switch (field.scalar) {
    case ScalarType.STRING:
      return TEXTS;
    case ScalarType.BYTES:
      return BYTES;
    case ScalarType.BOOL:
      return [true];
    case ScalarType.UINT64:
      return NUMBERS_64;
    default:
      return [...NUMBERS_32, 2 ** 32 - 1];
  }
}
