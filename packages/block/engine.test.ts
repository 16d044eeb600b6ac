/**
 * The format against the real engine: what the builder writes, and the server completes, is what the engine reads.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AgentId, ServerId, UrgencyClass } from '@sluice/protocol/model';
import { Session } from 'chdb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BlockBuilder, compressBlock } from './builder.ts';
import { completeBlock, completedColumns } from './completion.ts';
import { withDigest } from './digest.ts';
import { LATEST_BLOCK_FORMAT } from './formats.ts';
import { prepareAttributes, RecordFields } from './record.ts';
import { openBlock } from './validator.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'sluice-block-'));
let session: Session;
/** By sequence. */
const digests = new Map<number, string>();

beforeAll(() => {
  session = new Session(path.join(directory, 'store'));
  const columns = completedColumns(LATEST_BLOCK_FORMAT)
    .map((column) => `${column.name} ${column.type}`)
    .join(', ');
  session.query('CREATE DATABASE trial');
  session.query(
    `CREATE TABLE trial.t (${columns}) ENGINE = MergeTree ORDER BY (BlockSequence, RecordNumber)`,
  );
});

afterAll(() => {
  session.cleanup();
  rmSync(directory, { recursive: true, force: true });
});

async function loadedBlock(urgency: UrgencyClass, sequence: number, records: number): Promise<Buffer> {
  const builder = new BlockBuilder(urgency);
  const fields = new RecordFields();
  const shared = prepareAttributes({ 'log.file.path': '/var/log/a.log', empty: '' });
  const resource = prepareAttributes({ 'host.name': 'web-1' });
  for (let record = 0; record < records; record += 1) {
    fields.buffer = Buffer.from(`before|record ${record} ä\u0000|42`, 'utf8');
    fields.bodyStart = 7;
    fields.bodyEnd = fields.buffer.length - 3;
    fields.timestampSeconds = 1_700_000_000 + record;
    fields.timestampNanos = 123_456_789;
    fields.observedMs = 1_800_000_000_123;
    fields.severityNumber = record % 25;
    fields.severityText = `L${record % 3}`;
    fields.serviceName = `service-${record}`;
    fields.traceId = record % 2 === 0 ? '0123456789abcdef0123456789abcdef' : '';
    fields.spanId = record % 2 === 0 ? '' : '0123456789abcdef';
    fields.traceFlags = record % 2;
    fields.eventName = record === 1 ? 'event' : '';
    fields.offsetBytes = record * 2 ** 44;
    fields.timestampOrigin = record % 5;
    fields.resource = record === 0 ? prepareAttributes({}) : resource;
    fields.constantAttributes = record === 2 ? prepareAttributes({}) : shared;
    fields.attributes.clear();
    if (record % 2 === 0) fields.attributes.addText(`key-${record % 5}`, 'größe');
    if (record % 3 === 0) fields.attributes.addRange('pid', fields.buffer.length - 2, fields.buffer.length);
    builder.append(fields);
  }
  const bound = builder.rawBytes;
  const id = { agentId: 'agent-1' as AgentId, epoch: 2 ** 50 + 7, sequence };
  const sealed = builder.seal(id);
  const { raw } = sealed;
  expect(sealed.header.rawBytes).toBe(raw.length);
  expect(raw.length).toBeLessThanOrEqual(bound);
  const payload = await compressBlock(sealed);
  const header = withDigest(sealed.header, payload);
  digests.set(sequence, header.id.digest);
  openBlock(payload, { ...header.id, urgency, rawBytes: raw.length, recordCount: records });
  return Buffer.concat(
    completeBlock(payload, header, { serverId: 's1' as ServerId, priority: 3, tenant: 'default' }),
  );
}

test('two concatenated blocks are inserted and selected back equal', async () => {
  const file = path.join(directory, 'x.zst');
  // 300 services make two-byte indexes; the second block has no attributes in one of its maps.
  writeFileSync(file, Buffer.concat([await loadedBlock('urgent', 1, 300), await loadedBlock('bulk', 2, 1)]));
  session.query(`INSERT INTO trial.t FROM INFILE '${file}' COMPRESSION 'zstd' FORMAT Native`);
  const text = session.query(
    "SELECT * FROM trial.t ORDER BY BlockSequence, RecordNumber SETTINGS session_timezone = 'UTC'",
    'JSONEachRow',
  );
  const rows: unknown[] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(rows).toHaveLength(301);
  for (const [position, row] of rows.entries()) {
    const record = position === 300 ? 0 : position;
    const attributes: Record<string, string> =
      record === 2 ? {} : { 'log.file.path': '/var/log/a.log', empty: '' };
    if (record % 2 === 0) attributes[`key-${record % 5}`] = 'größe';
    if (record % 3 === 0) attributes.pid = '42';
    expect(row).toEqual({
      Timestamp: new Date((1_700_000_000 + record) * 1000)
        .toISOString()
        .replace('T', ' ')
        .replace('.000Z', '.123456789'),
      ObservedTimestamp: '2027-01-15 08:00:00.123000000',
      SeverityNumber: record % 25,
      SeverityText: `L${record % 3}`,
      ServiceName: `service-${record}`,
      Body: `record ${record} ä\u0000`,
      TraceId: record % 2 === 0 ? '0123456789abcdef0123456789abcdef' : '',
      SpanId: record % 2 === 0 ? '' : '0123456789abcdef',
      TraceFlags: record % 2,
      EventName: record === 1 ? 'event' : '',
      ResourceAttributes: record === 0 ? {} : { 'host.name': 'web-1' },
      LogAttributes: attributes,
      UrgencyClass: position === 300 ? 4 : 1,
      AgentId: 'agent-1',
      BlockEpoch: 2 ** 50 + 7,
      BlockSequence: position === 300 ? 2 : 1,
      RecordNumber: record,
      ServerId: 's1',
      ChannelPriority: 3,
      BlockDigest: digests.get(position === 300 ? 2 : 1),
      RecordOffset: record * 2 ** 44,
      TimestampOrigin: record % 5,
      Tenant: 'default',
    });
  }
});
