/** The monitor on a real store from which tables vanish. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestStore, type TestStore } from './log-fixture.ts';
import { createMigrationTable, LOG_TABLE, MIGRATION_TABLE, MIGRATIONS, MOVED_TABLE } from './schema.ts';
import { type StoreMonitor, startStoreMonitor } from './store-monitor.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };
const logger = pino({ level: 'silent' });
let started: TestStore;
let monitor: StoreMonitor | undefined;

beforeEach(async () => {
  started = await startTestStore('open');
});
afterEach(async () => {
  await monitor?.stop();
  await started.end();
});

test.each([LOG_TABLE, MOVED_TABLE, MIGRATION_TABLE])(
  'a table that was removed (%s) is noticed, told, and made again',
  async (table) => {
    monitor = startStoreMonitor(started.client, logger);
    await monitor.ready;
    await expect.poll(() => monitor?.state.available, PATIENCE).toBe(true);
    expect(monitor.state.tablesLost).toBeUndefined();
    await started.run(`DROP TABLE ${table} SYNC`);
    await expect.poll(() => monitor?.state.tablesLost ?? '', PATIENCE).toContain('was made again, empty');
    expect(monitor.state.tablesLost).toContain(table);
    expect(await started.run(`SELECT count() FROM ${LOG_TABLE}`)).toBe('0\n');
    await expect.poll(() => monitor?.state.available, PATIENCE).toBe(true);
  },
);

test('tables of a newer program are never touched', async () => {
  await started.run(createMigrationTable(undefined));
  const newer = (MIGRATIONS.at(-1)?.version ?? 0) + 1;
  await started.run(`INSERT INTO ${MIGRATION_TABLE} (Version, Name) SELECT ${newer}, 'of the future'`);
  monitor = startStoreMonitor(started.client, logger);
  await expect(monitor.ready).rejects.toMatchObject({ code: 'state_newer' });
  expect(monitor.state).toMatchObject({ available: false, errorCode: 'state_newer' });
});
