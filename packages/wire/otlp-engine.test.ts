/** A block of OpenTelemetry against the real engine: what an agent in another language writes is what the engine reads. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { completeBlock, completedColumns } from '@sluice/block/completion';
import { withDigest } from '@sluice/block/digest';
import { RecordFields } from '@sluice/block/record';
import type { AgentId, ServerId, TimeMs } from '@sluice/protocol/model';
import { Session } from 'chdb';
import { afterAll, expect, test } from 'vitest';
import { type LogsInit, otlpBytes, otlpPayload } from './testing/otlp-payload.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'sluice-otlp-'));
const session = new Session(path.join(directory, 'store'));
const FACTS = { serverId: 's1' as ServerId, priority: 3, tenant: 'default' };
const OBSERVED = 1_800_000_000_123_456_789n;

afterAll(() => {
  session.cleanup();
  rmSync(directory, { recursive: true, force: true });
});

const LOGS: LogsInit = {
  resourceLogs: [
    {
      resource: {
        attributes: [{ key: 'host.name', value: { value: { case: 'stringValue', value: 'web-1' } } }],
      },
      schemaUrl: 'https://opentelemetry.io/schemas/1.27.0',
      scopeLogs: [
        {
          scope: {
            name: 'shop.orders',
            version: '1.2',
            attributes: [{ key: 'short', value: { value: { case: 'boolValue', value: true } } }],
            droppedAttributesCount: 3,
          },
          schemaUrl: 'https://opentelemetry.io/schemas/1.26.0',
          logRecords: [
            { observedTimeUnixNano: OBSERVED, body: { value: { case: 'stringValue', value: 'one' } } },
          ],
        },
        { logRecords: [{ observedTimeUnixNano: OBSERVED, timeUnixNano: 1n, flags: 0xff }] },
      ],
    },
  ],
};

function frames(): Buffer[] {
  const content = otlpBytes(LOGS);
  const payload = otlpPayload(content);
  const draft = {
    id: { agentId: 'stranger' as AgentId, epoch: 7, sequence: 9 },
    ...{ urgency: 'elevated' as const, rawBytes: content.length, recordCount: 2 },
    oldestObservedMs: 1 as TimeMs,
  };
  const header = withDigest(draft, payload);
  const first = completeBlock(payload, header, FACTS);
  // An attempt that is made again has the same content.
  expect(Buffer.concat(completeBlock(payload, header, FACTS)).equals(Buffer.concat(first))).toBe(true);
  return first;
}

/** A block of this program's own agent. */
function ownFrames(): Buffer[] {
  const builder = new BlockBuilder('elevated');
  builder.append(new RecordFields());
  const block = builder.seal({ agentId: 'agent-1' as AgentId, epoch: 1, sequence: 1 });
  const payload = compressBlockSync(block);
  return completeBlock(payload, withDigest(block.header, payload), FACTS);
}

test('stands in one insert with blocks of the agent, its scope and schemas with it', () => {
  session.query('CREATE DATABASE trial');
  // The store keeps this name as text, since there are many.
  const columns = completedColumns().map(
    ({ name, type }) => `${name} ${name === 'ScopeName' ? 'String' : type}`,
  );
  session.query(`CREATE TABLE trial.t (${columns.join(', ')}) ENGINE = MergeTree ORDER BY BlockSequence`);
  const file = path.join(directory, 'body.zst');
  writeFileSync(file, Buffer.concat([...ownFrames(), ...frames()]));
  const names = completedColumns().map(({ name }) => name);
  session.query(
    `INSERT INTO trial.t (${names.join(', ')}) FROM INFILE '${file}' COMPRESSION 'zstd' FORMAT Native`,
  );
  const rows = session
    .query('SELECT * EXCEPT (BlockDigest) FROM trial.t ORDER BY AgentId, RecordNumber', 'JSONEachRow')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  const shared = {
    ...{ AgentId: 'stranger', BlockEpoch: 7, BlockSequence: 9, UrgencyClass: 2, Tenant: 'default' },
    ...{ ServerId: 's1', ChannelPriority: 3, ObservedTimestamp: '2027-01-15 08:00:00.123456789' },
    ...{
      ResourceSchemaUrl: 'https://opentelemetry.io/schemas/1.27.0',
      ResourceAttributes: { 'host.name': 'web-1' },
    },
    ...{ SeverityNumber: 0, SeverityText: '', ServiceName: '', TraceId: '', SpanId: '', EventName: '' },
    ...{ LogAttributes: {}, RecordOffset: 0 },
  };
  expect(rows).toEqual([
    expect.objectContaining({
      AgentId: 'agent-1',
      ScopeName: '',
      ScopeAttributes: {},
      ResourceSchemaUrl: '',
    }),
    {
      ...shared,
      ...{ RecordNumber: 0, Timestamp: '2027-01-15 08:00:00.123456789', TimestampOrigin: 4 },
      ...{ Body: 'one', TraceFlags: 0, ScopeName: 'shop.orders', ScopeVersion: '1.2' },
      ScopeSchemaUrl: 'https://opentelemetry.io/schemas/1.26.0',
      ScopeAttributes: { short: 'true', dropped_attributes_count: '3' },
    },
    {
      ...shared,
      ...{ RecordNumber: 1, Timestamp: '1970-01-01 00:00:00.000000001', TimestampOrigin: 0 },
      ...{
        Body: '',
        TraceFlags: 255,
        ScopeName: '',
        ScopeVersion: '',
        ScopeSchemaUrl: '',
        ScopeAttributes: {},
      },
    },
  ]);
});
