/** For tests: a store in a process of its own with a fresh directory, and blocks as agents send them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { type SupervisedStore, superviseStore } from '@sluice/store/supervisor';
import { askStore, OPEN_STORE_MODULE, textOf } from '@sluice/store/testing/ask-store';
import { pino } from 'pino';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { createStoreClient, type StoreClient } from './store-client.ts';

export interface TestStore {
  readonly store: SupervisedStore;
  readonly client: StoreClient;
  readonly directory: string;
  /** Runs a statement that a server never would; for a store that was started `open`. */
  run(sql: string): Promise<string>;
  /** Stops the store and removes its directory. */
  end(): Promise<void>;
}

/** @param kind `open` runs any statement */
export async function startTestStore(kind: 'closed' | 'open' = 'closed'): Promise<TestStore> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-store-'));
  const store = await superviseStore({
    directory,
    ...(kind === 'open' ? { module: OPEN_STORE_MODULE } : {}),
    logger: pino({ level: 'silent' }),
  });
  const client = createStoreClient({ place: { kind: 'directory', directory } });
  return {
    store,
    client,
    directory,
    run: (sql) => textOf(directory, sql, { write: true }),
    end: async () => {
      await client.close();
      await store.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** One expression for each column of an insert, over `number`. */
const COLUMN_EXPRESSIONS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Timestamp: "toDateTime64('2026-03-01 00:00:00', 9, 'UTC') + number / 1000",
    ObservedTimestamp: "toDateTime64('2026-03-02 00:00:00', 9, 'UTC') + number / 1000",
    SeverityNumber: 'toUInt8(if(number % 10 = 0, 17, 9))',
    SeverityText: "toLowCardinality(if(number % 10 = 0, 'ERROR', 'INFO'))",
    ServiceName: "toLowCardinality(concat('service-', toString(number % 5)))",
    Body: "concat('Request ', toString({first:UInt64} + number), ' from 10.0.0.', toString(number % 256), ' Handled by User', toString(number % 97))",
    TraceId: "''",
    SpanId: "''",
    TraceFlags: 'toUInt8(0)',
    EventName: "toLowCardinality('')",
    ResourceAttributes:
      "map('host.name', concat('host-', toString(number % 3)))::Map(LowCardinality(String), String)",
    ResourceSchemaUrl: "toLowCardinality('')",
    ScopeSchemaUrl: "toLowCardinality('')",
    ScopeName: "toLowCardinality('')",
    ScopeVersion: "toLowCardinality('')",
    ScopeAttributes: 'map()::Map(LowCardinality(String), String)',
    LogAttributes:
      "map('log.file.path', '/var/log/x.log', 'request', toString({first:UInt64} + number))::Map(LowCardinality(String), String)",
    UrgencyClass: 'toUInt8(3)',
    AgentId: "toLowCardinality('agent-1')",
    BlockEpoch: 'toUInt64(1)',
    BlockSequence: '{first:UInt64}',
    RecordNumber: 'toUInt32(number)',
    ServerId: "toLowCardinality('s1')",
    ChannelPriority: 'toUInt32(1)',
    BlockDigest: "toLowCardinality('')",
    RecordOffset: 'toUInt64(120 * number)',
    TimestampOrigin: 'toUInt8(1)',
    Tenant: "toLowCardinality('default')",
  }),
);

/** @returns `count` records from number `from` on, in the form in which insertBlocks() takes them */
export async function makeBatch(directory: string, from: number, count: number): Promise<Buffer> {
  const columns = BATCH_COLUMNS.map((name) => {
    const expression = COLUMN_EXPRESSIONS.get(name);
    if (expression === undefined) throw new Error(`no expression for the column ${name}`);
    return `${expression} AS ${name}`;
  });
  const answer = await askStore(directory, {
    body: `SELECT ${columns.join(', ')} FROM numbers({count:UInt64}) FORMAT Native`,
    parameters: { param_first: String(from), param_count: String(count) },
  });
  if (answer.status !== 200) throw new Error(answer.text);
  return zstdCompressSync(answer.bytes);
}
