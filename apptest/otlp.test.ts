/**
 * A scripted agent that knows nothing of the engine's format writes its blocks as OpenTelemetry's protobuf (packages/block/otlp.md),
 * to a real server with its store.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { digestBytes, withDigest } from '@sluice/block/digest';
import { pickPort } from '@sluice/host/pick-port';
import type { AgentId, TimeMs } from '@sluice/protocol/model';
import type { SendResponse } from '@sluice/wire/gen/uplink_pb';
import { type LogsInit, otlpBytes, otlpPayload } from '@sluice/wire/testing/otlp-payload';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScriptedAgent } from '../packages/conformance/scripted-agent.ts';
import { type Client, clientOf, type RunningProgram, startProgram } from './support/programs.ts';

const HOST = '127.0.0.1';
const AGENT = 'stranger';
const EPOCH = 77;

let directory: string;
let server: RunningProgram;
let client: Client;
let uplinkPort: number;
let apiPort: number;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-otlp-'));
  uplinkPort = await pickPort(HOST, 0);
  apiPort = await pickPort(HOST, 0);
  client = clientOf(`http://${HOST}:${apiPort}`);
  await start();
});

afterAll(async () => {
  await server.end();
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startProgram(
    [
      ...['server', '--id', 's1', '--data', path.join(directory, 's1')],
      ...['--listen', `${HOST}:${uplinkPort}`, '--api-listen', `${HOST}:${apiPort}`],
    ],
    'ready ',
  );
}

/** Sends blocks in a session of their own. */
async function send(
  ...blocks: { sequence: number; logs: LogsInit; records: number }[]
): Promise<SendResponse['message'][]> {
  const agent = new ScriptedAgent(uplinkPort);
  try {
    const hello = { agentId: AGENT, epoch: BigInt(EPOCH), blockFormats: [4], digestKinds: ['sha256-128'] };
    const { sessionId, grantId, channel } = await agent.begin(hello);
    const answers = await agent.send(
      { case: 'openChannel', value: { sessionId, agentId: AGENT, grantId, channel } },
      ...blocks.map(({ sequence, logs, records }) => {
        const content = otlpBytes(logs);
        const payload = otlpPayload(content);
        const { id, rawBytes, recordCount, oldestObservedMs } = headerOf(
          sequence,
          content.length,
          records,
          payload,
        );
        return {
          case: 'block' as const,
          value: {
            ...{ epoch: BigInt(id.epoch), sequence: BigInt(id.sequence), urgency: 1, rawBytes, recordCount },
            ...{ oldestObservedMs: BigInt(oldestObservedMs), digest: digestBytes(id.digest), payload },
          },
        };
      }),
    );
    return answers.map(({ message }) => message);
  } finally {
    agent.close();
  }
}

function headerOf(
  sequence: number,
  rawBytes: number,
  recordCount: number,
  payload: Buffer,
): ReturnType<typeof withDigest> {
  const id = { agentId: AGENT as AgentId, epoch: EPOCH, sequence };
  const urgency = 'urgent' as const;
  return withDigest({ id, urgency, rawBytes, recordCount, oldestObservedMs: STARTED as TimeMs }, payload);
}

const STARTED = Date.now();
const OBSERVED = BigInt(STARTED) * 1_000_000n + 456_789n;

const FULL: LogsInit = {
  resourceLogs: [
    {
      resource: {
        attributes: [
          { key: 'service.name', value: { value: { case: 'stringValue', value: 'shop' } } },
          { key: 'host.name', value: { value: { case: 'stringValue', value: 'web-1' } } },
          { key: 'zone', value: { value: { case: 'stringValue', value: 'eu' } } },
        ],
        droppedAttributesCount: 2,
      },
      schemaUrl: 'https://opentelemetry.io/schemas/1.27.0',
      scopeLogs: [
        {
          scope: {
            name: 'shop.orders',
            version: '1.2',
            attributes: [{ key: 'short', value: { value: { case: 'boolValue', value: true } } }],
          },
          logRecords: [
            {
              timeUnixNano: OBSERVED - 123_456_789n,
              observedTimeUnixNano: OBSERVED,
              severityNumber: 17,
              severityText: 'Error',
              body: {
                value: {
                  case: 'kvlistValue',
                  value: {
                    values: [{ key: 'disk', value: { value: { case: 'stringValue', value: 'full' } } }],
                  },
                },
              },
              attributes: [
                { key: 'status', value: { value: { case: 'intValue', value: 503n } } },
                { key: 'sluice.record.offset', value: { value: { case: 'intValue', value: 4242n } } },
                {
                  key: 'sluice.timestamp.origin',
                  value: { value: { case: 'stringValue', value: 'assumed' } },
                },
              ],
              droppedAttributesCount: 7,
              flags: 1,
              traceId: Buffer.from('0123456789abcdef0123456789abcdef', 'hex'),
              spanId: Buffer.from('0123456789abcdef', 'hex'),
              eventName: 'disk.full',
            },
            { observedTimeUnixNano: OBSERVED, body: { value: { case: 'stringValue', value: 'plain line' } } },
          ],
        },
      ],
    },
  ],
};

test('U20: blocks of an agent in another language are found, field by field, and a wrong one says what is wrong', async () => {
  const wrong: LogsInit = {
    resourceLogs: [
      { scopeLogs: [{ logRecords: [{ observedTimeUnixNano: OBSERVED }, { timeUnixNano: 1n }] }] },
    ],
  };
  const answers = await send(
    { sequence: 1, logs: FULL, records: 2 },
    { sequence: 2, logs: wrong, records: 2 },
    { sequence: 3, logs: FULL, records: 3 },
  );
  expect(answers.map((answer) => answer.case).sort()).toEqual(['acknowledgement', 'refusal', 'refusal']);
  const refusals = answers.flatMap((answer) => (answer.case === 'refusal' ? [answer.value] : []));
  expect(refusals.map(({ sequence, retryable, reason }) => [sequence, retryable, reason])).toEqual([
    [
      2n,
      false,
      expect.stringMatching(
        /^malformed block: resource_logs\[0\]\.scope_logs\[0\]\.log_records\[1\] at byte \d+: observed_time_unix_nano is 0/,
      ),
    ],
    [3n, false, expect.stringContaining("2 records, the block's header says 3")],
  ]);
  await expect.poll(() => client.count(`agent:${AGENT}`)).toBe(2);
  const all = [
    'service:shop body:disk host:web-1 resource.zone:eu status:503 level:error urgency:urgent',
    'trace_id:0123456789abcdef0123456789abcdef span_id:0123456789abcdef event:disk.full',
    'record.offset:4242 timestamp.origin:assumed',
    'scope.name:shop.orders scope.version:1.2 scope.short:true',
    'attributes.dropped_attributes_count:7 resource.dropped_attributes_count:2',
    `id:${AGENT}.${EPOCH}.1.0`,
  ].join(' ');
  // One that is not found makes it none.
  expect(await client.count(all)).toBe(1);
  const [plain, full] = (await client.search(`agent:${AGENT}`)).sort((a, b) =>
    String(b.body).localeCompare(String(a.body)),
  );
  expect(full).toMatchObject({
    body: '{"disk":"full"}',
    severity: 'Error',
    severityNumber: 17,
    service: 'shop',
    host: 'web-1',
    attributes: { status: '503', dropped_attributes_count: '7' },
    resource: { 'service.name': 'shop', 'host.name': 'web-1', zone: 'eu', dropped_attributes_count: '2' },
  });
  expect(plain).toMatchObject({ body: 'plain line', severityNumber: 0, service: 'shop' });
});

test('a block that comes again, also after the server was killed, is acknowledged by its digest and there once', async () => {
  const block = { sequence: 10, records: 2, logs: FULL };
  const [first] = await send(block);
  await server.end('SIGKILL');
  await start();
  const again = await send(block, block);
  expect(first?.case).toBe('acknowledgement');
  expect(again).toEqual([first, first]);
  const [after] = await send({ ...block, sequence: 11 });
  expect(after?.case).toBe('acknowledgement');
  // What came later is in the store, so what came before is.
  await expect.poll(() => client.count(`id:${AGENT}.${EPOCH}.11.0`)).toBe(1);
  expect(await client.count(`id:${AGENT}.${EPOCH}.10.0 OR id:${AGENT}.${EPOCH}.10.1`)).toBe(2);
});

test('the example agent, which uses nothing of ours, brings every line once', async () => {
  const program = path.join(import.meta.dirname, '..', 'docs', 'examples', 'send-lines.mjs');
  const example = spawn(process.execPath, [program, `http://${HOST}:${uplinkPort}`, 'example'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const lines = Array.from({ length: 20_000 }, (_, index) => `example line ${index} ü`);
  example.stdin.end(`${lines.join('\n')}\n`);
  const [told, failed] = await Promise.all([text(example.stdout), text(example.stderr)]);
  expect([told, failed]).toEqual(['20000 lines are durable\n', '']);
  await expect.poll(() => client.count('agent:example service:send-lines')).toBe(20_000);
  expect(await client.count('agent:example "example line 19999"')).toBe(1);
});
