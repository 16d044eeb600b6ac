import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { makeBatch, startTestStore, type TestStore } from './log-fixture.ts';
import { migrate } from './migrate.ts';
import { createMigrationTable, LOG_TABLE, MIGRATION_TABLE, MIGRATIONS, MOVED_TABLE } from './schema.ts';

let started: TestStore;
beforeAll(async () => {
  started = await startTestStore('open');
});
afterAll(async () => {
  await started.end();
});
beforeEach(async () => {
  for (const table of [LOG_TABLE, MOVED_TABLE, MIGRATION_TABLE])
    await started.client.command(`DROP TABLE IF EXISTS ${table} SYNC`);
});

const newest = MIGRATIONS.at(-1)?.version ?? 0;

async function logColumns(): Promise<unknown[]> {
  const sql =
    'SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}';
  return await started.client.query(sql, { table: LOG_TABLE });
}

test('an empty store gets all tables, and a second run changes nothing', async () => {
  expect(await migrate(started.client)).toEqual({ from: 0, to: newest });
  expect(await migrate(started.client)).toEqual({ from: newest, to: newest });
  const columns = await logColumns();
  for (const name of BATCH_COLUMNS) expect(columns).toContainEqual(expect.objectContaining({ name }));
  expect(columns).toContainEqual({ name: 'HostName', type: 'LowCardinality(String)' });
});

test('servers that migrate at the same time all succeed, and each step counts once', async () => {
  const results = await Promise.all(Array.from({ length: 4 }, () => migrate(started.client)));
  for (const { to } of results) expect(to).toBe(newest);
  const recorded = await started.client.query(`SELECT Version FROM ${MIGRATION_TABLE} FINAL`);
  expect(recorded).toHaveLength(MIGRATIONS.length);
});

test('tables of a newer program are refused and left alone', async () => {
  await started.client.command(createMigrationTable(undefined));
  await started.client.command(
    `INSERT INTO ${MIGRATION_TABLE} (Version, Name) SELECT ${newest + 1}, 'of the future'`,
  );
  await expect(migrate(started.client)).rejects.toMatchObject({ code: 'state_newer' });
  expect(await logColumns()).toEqual([]);
});

test('a later step runs on a table with data and keeps it', async () => {
  await migrate(started.client);
  const zstdBody = await makeBatch(started.directory, 0, 1000);
  await started.client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody, deduplicationToken: 'a' });
  const later = {
    version: newest + 1,
    name: 'add a column',
    statements: () => [`ALTER TABLE ${LOG_TABLE} ADD COLUMN IF NOT EXISTS Added UInt8 DEFAULT 7`],
  };
  const result = await migrate(started.client, { migrations: [...MIGRATIONS, later] });
  expect(result).toEqual({ from: newest, to: newest + 1 });
  const [row] = await started.client.query(
    `SELECT count() AS count, countIf(Added = 7) AS added FROM ${LOG_TABLE}`,
  );
  expect(row).toEqual({ count: '1000', added: '1000' });
  // The same batch again after the change is still known.
  await started.client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody, deduplicationToken: 'a' });
  expect(await started.client.query(`SELECT count() AS count FROM ${LOG_TABLE}`)).toEqual([
    { count: '1000' },
  ]);
});

test('rows of version 4 stay, and say that they do not know where they are from', async () => {
  await migrate(started.client, { migrations: MIGRATIONS.filter(({ version }) => version <= 4) });
  await started.client.command(
    `INSERT INTO ${LOG_TABLE} (Timestamp, ObservedTimestamp, Body, BlockSequence) SELECT now64(9), now64(9), 'old', number FROM numbers(100)`,
  );
  expect(await migrate(started.client)).toEqual({ from: 4, to: newest });
  const zstdBody = await makeBatch(started.directory, 0, 1000);
  await started.client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody, deduplicationToken: 'a' });
  expect(
    await started.client.query(
      'SELECT Tenant AS tenant, TimestampOrigin AS origin, min(RecordOffset) AS least, max(RecordOffset) AS most, ' +
        `count() AS count FROM ${LOG_TABLE} GROUP BY tenant, origin ORDER BY tenant`,
    ),
  ).toEqual([
    { tenant: '', origin: 0, least: '0', most: '0', count: '100' },
    { tenant: 'default', origin: 1, least: '0', most: `${999 * 120}`, count: '1000' },
  ]);
});

test('on a cluster the same columns are replicated, with a distributed table before them', () => {
  const statements = MIGRATIONS.flatMap((migration) => migration.statements({ cluster: "main'" }));
  const [local, distributed, moved, ...later] = statements;
  const [digests, agents, origins] = [later.slice(0, 3), later.slice(3, 5), later.slice(5)];
  expect(digests.map((sql) => /^ALTER TABLE (\w+) ON CLUSTER 'main\\''/.exec(sql)?.[1])).toEqual([
    'otel_logs_local',
    'otel_logs',
    'sluice_moved_blocks',
  ]);
  expect(
    origins.map((sql) =>
      /^ALTER TABLE (\w+) ON CLUSTER 'main\\'' ADD COLUMN IF NOT EXISTS (\w+)/.exec(sql)?.slice(1),
    ),
  ).toEqual(
    ['RecordOffset', 'TimestampOrigin', 'Tenant'].flatMap((name) => [
      ['otel_logs_local', name],
      ['otel_logs', name],
    ]),
  );
  // What keeps nothing compresses nothing.
  for (const sql of origins) expect(sql.includes('CODEC')).toBe(sql.includes('otel_logs_local'));
  expect(agents).toHaveLength(2);
  for (const table of agents)
    expect(table).toMatch(
      /^CREATE TABLE IF NOT EXISTS sluice_agent_\w+ ON CLUSTER [\s\S]+ReplicatedMergeTree/,
    );
  expect(moved).toContain("'/clickhouse/tables/{database}/sluice_moved_blocks', '{replica}-{shard}', State)");
  expect(local).toMatch(/^CREATE TABLE IF NOT EXISTS otel_logs_local ON CLUSTER 'main\\''/);
  expect(local).toContain(
    "ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/otel_logs_local', '{replica}')",
  );
  expect(local).toContain('replicated_deduplication_window = 10000');
  expect(local).not.toContain('non_replicated');
  expect(distributed).toContain(
    "Distributed('main\\'', currentDatabase(), otel_logs_local, cityHash64(AgentId, BlockEpoch, BlockSequence))",
  );
  const [alone] = MIGRATIONS.flatMap((migration) => migration.statements(undefined));
  const body = (sql: string | undefined): string | undefined =>
    /\n\(\n([\s\S]*?)\n\)\nENGINE/.exec(sql ?? '')?.[1];
  expect(body(local)).toBe(body(alone));
});
