/** For tests: a store in a process of its own with a fresh directory, and blocks as agents send them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type SupervisedStore, superviseStore } from '@sluice/store/supervisor';
import { pino } from 'pino';
import { BLOCK_COLUMNS } from './schema.ts';
import { createStoreClient, type StoreClient } from './store-client.ts';

export interface TestStore {
  readonly store: SupervisedStore;
  readonly client: StoreClient;
  readonly directory: string;
  /** Stops the store and removes its directory. */
  end(): Promise<void>;
}

export async function startTestStore(): Promise<TestStore> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-store-'));
  const store = await superviseStore({ directory, port: 0, logger: pino({ level: 'silent' }) });
  const client = createStoreClient({ url: store.url });
  return {
    store,
    client,
    directory,
    end: async () => {
      await client.close();
      await store.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** One expression for each of BLOCK_COLUMNS, over `number`. */
const COLUMN_EXPRESSIONS: Readonly<Record<(typeof BLOCK_COLUMNS)[number], string>> = {
  Timestamp: "toDateTime64('2026-03-01 00:00:00', 9, 'UTC') + number / 1000",
  ObservedTimestamp: "toDateTime64('2026-03-02 00:00:00', 9, 'UTC') + number / 1000",
  SeverityNumber: 'toUInt8(if(number % 10 = 0, 17, 9))',
  SeverityText: "toLowCardinality(if(number % 10 = 0, 'ERROR', 'INFO'))",
  ServiceName: "toLowCardinality(concat('service-', toString(number % 5)))",
  Body: "concat('Request ', toString({from:UInt64} + number), ' from 10.0.0.', toString(number % 256), ' Handled by User', toString(number % 97))",
  TraceId: "''",
  SpanId: "''",
  TraceFlags: 'toUInt8(0)',
  EventName: "toLowCardinality('')",
  ResourceAttributes:
    "map('host.name', concat('host-', toString(number % 3)))::Map(LowCardinality(String), String)",
  LogAttributes:
    "map('log.file.path', '/var/log/x.log', 'request', toString({from:UInt64} + number))::Map(LowCardinality(String), String)",
  UrgencyClass: 'toUInt8(3)',
  AgentId: "toLowCardinality('agent-1')",
  BlockEpoch: 'toUInt64(1)',
  BlockSequence: '{from:UInt64}',
  RecordNumber: 'toUInt32(number)',
  ServerId: "toLowCardinality('s1')",
  ChannelPriority: 'toUInt32(1)',
};

/** @returns `count` records from number `from` on, in the form in which insertBlocks() takes them */
export async function makeBatch(url: string, from: number, count: number): Promise<Buffer> {
  const columns = BLOCK_COLUMNS.map((name) => `${COLUMN_EXPRESSIONS[name]} AS ${name}`);
  const sql = `SELECT ${columns.join(', ')} FROM numbers({count:UInt64}) FORMAT Native`;
  const address = new URL(url);
  address.searchParams.set('param_from', String(from));
  address.searchParams.set('param_count', String(count));
  const answer = await fetch(address, { method: 'POST', body: sql });
  if (!answer.ok) throw new Error(await answer.text());
  return zstdCompressSync(Buffer.from(await answer.arrayBuffer()));
}
