/**
 * The indexes of the log table on this very engine: that searches use them, and that they live through merges, dropped
 * partitions, deletes and parts without rows (where builds of the engine have failed).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { makeBatch, startTestStore, type TestStore } from './log-fixture.ts';
import { migrate } from './migrate.ts';
import { LOG_TABLE } from './schema.ts';

const BATCHES = 6;
const BATCH_ROWS = 20_000;
let started: TestStore;

beforeAll(async () => {
  started = await startTestStore('open');
  await migrate(started.client);
  for (let batch = 0; batch < BATCHES; batch += 1) await insert(batch);
});
afterAll(async () => {
  await started.end();
});

async function insert(batch: number): Promise<void> {
  const zstdBody = await makeBatch(started.directory, batch * BATCH_ROWS, BATCH_ROWS);
  await started.client.insertBlocks({
    columns: BATCH_COLUMNS,
    zstdBody,
    deduplicationToken: `batch-${batch}`,
  });
}

async function count(condition: string): Promise<number> {
  const [row] = await started.client.query(`SELECT count() AS count FROM ${LOG_TABLE} WHERE ${condition}`);
  return Number(row?.count);
}

/** Granules that are left after the index of this name, of how many. */
async function granules(index: string, condition: string): Promise<[left: number, all: number]> {
  const plan = await started.client.queryText(
    `EXPLAIN indexes = 1 SELECT count() FROM ${LOG_TABLE} WHERE ${condition}`,
    {},
    { format: 'TabSeparatedRaw' },
  );
  const lines = plan.split('\n');
  const at = lines.findIndex((line) => line.trim() === `Name: ${index}`);
  const match = /Granules: (\d+)\/(\d+)/.exec(lines.slice(at < 0 ? lines.length : at).join('\n'));
  if (match === null) throw new Error(`the plan has no index ${index}:\n${plan}`);
  return [Number(match[1]), Number(match[2])];
}

async function checkSearches(rows: number): Promise<void> {
  expect(await count('1')).toBe(rows);
  const scan = await count("positionCaseInsensitive(concat(' ', Body, ' '), ' user7 ') > 0");
  expect(await count("hasAllTokens(lower(Body), 'user7')")).toBe(scan);
  expect(scan).toBeGreaterThan(0);
}

test.each([
  ['body_words', "hasAllTokens(lower(Body), 'request 777')"],
  ['body_words', "hasAnyTokens(lower(Body), ['777', 'absent'])"],
  ['body_words', "hasPhrase(lower(Body), 'request 777 from')"],
  ['body_words', "hasToken(lower(Body), '777')"],
  ['log_attribute_values', "LogAttributes['request'] = '777'"],
  ['log_attribute_keys', "mapContains(LogAttributes, 'absent')"],
  ['resource_attribute_values', "ResourceAttributes['host.name'] = 'absent'"],
  ['trace_id', "TraceId = '0af7651916cd43dd8448eb211c80319c'"],
  ['timestamp_range', "Timestamp > toDateTime64('2027-01-01 00:00:00', 9, 'UTC')"],
])('%s serves %s', async (index, condition) => {
  const [left, all] = await granules(index, condition);
  expect(left).toBeLessThan(all);
});

test('a word is found without regard to case, and a phrase in its order only', async () => {
  expect(await count("hasAllTokens(lower(Body), 'handled request')")).toBe(BATCHES * BATCH_ROWS);
  expect(await count("hasPhrase(lower(Body), 'request 777 from')")).toBe(1);
  expect(await count("hasPhrase(lower(Body), '777 request')")).toBe(0);
  expect(await count("LogAttributes['request'] = '777'")).toBe(1);
});

test('the condition means the same where the index is not used, before and after', async () => {
  const condition = "hasAllTokens(lower(Body), ['user7'])";
  const expected = await count("match(Body, 'User7$')");
  expect(expected).toBeGreaterThan(0);
  expect(await count(condition)).toBe(expected);
  const sql = `SELECT countIf(${condition}) AS count FROM ${LOG_TABLE}`;
  expect(await started.client.query(sql)).toEqual([{ count: String(expected) }]);
  const scan = `SELECT count() AS count FROM ${LOG_TABLE} WHERE ${condition}`;
  const rows = await started.client.query(scan, {}, { settings: { use_skip_indexes: 0 } });
  expect(rows).toEqual([{ count: String(expected) }]);
  expect(await count(condition)).toBe(expected);
});

test('searches find the same after merges, deletes, dropped partitions, and merges of parts without rows', async () => {
  const { client } = started;
  const optimize = `OPTIMIZE TABLE ${LOG_TABLE} FINAL`;
  await checkSearches(BATCHES * BATCH_ROWS);
  await client.command(optimize);
  await checkSearches(BATCHES * BATCH_ROWS);
  // Rows of two services go; then all rows of one part go, and what is left is merged with it.
  const wait = { settings: { mutations_sync: '2' as const, lightweight_deletes_sync: '2' as const } };
  await client.command(`DELETE FROM ${LOG_TABLE} WHERE ServiceName = 'service-1'`, {}, wait);
  await client.command(`ALTER TABLE ${LOG_TABLE} DELETE WHERE ServiceName = 'service-2'`, {}, wait);
  const left = (BATCHES * BATCH_ROWS * 3) / 5;
  await checkSearches(left);
  await client.command(optimize);
  await checkSearches(left);
  await insert(BATCHES);
  await client.command(`DELETE FROM ${LOG_TABLE} WHERE BlockSequence = ${BATCHES * BATCH_ROWS}`, {}, wait);
  await client.command(optimize);
  await checkSearches(left);
  await client.command(`DELETE FROM ${LOG_TABLE} WHERE 1`, {}, wait);
  await client.command(optimize);
  expect(await count('1')).toBe(0);
  await insert(BATCHES + 1);
  await client.command(optimize);
  await checkSearches(BATCH_ROWS);
  await client.command(`ALTER TABLE ${LOG_TABLE} DROP PARTITION '2026-03-02'`);
  expect(await count('1')).toBe(0);
  await insert(BATCHES + 2);
  await checkSearches(BATCH_ROWS);
});
