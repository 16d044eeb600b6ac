/** `sluice up` on the data of a newer program: it says so, and never that it is ready. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { createMigrationTable, MIGRATION_TABLE, MIGRATIONS } from '@sluice/server/store/schema';
import { superviseStore } from '@sluice/store/supervisor';
import { textOf } from '@sluice/store/testing/ask-store';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { sluice } from './support/programs.ts';

test('a store whose tables are newer ends the start with the reason and what to do', {
  timeout: 180_000,
}, async () => {
  const data = mkdtempSync(path.join(tmpdir(), 'sluice-newer-'));
  const directory = path.join(data, 'store');
  const store = await superviseStore({ directory, logger: pino({ level: 'silent' }) });
  const newer = (MIGRATIONS.at(-1)?.version ?? 0) + 1;
  await textOf(directory, createMigrationTable(undefined), { write: true });
  const row = `INSERT INTO ${MIGRATION_TABLE} (Version, Name) VALUES (${newer}, 'of the future')`;
  await textOf(directory, row, { write: true });
  await store.stop();
  const port = String(await pickPort('127.0.0.1', 0));
  const { code, stdout, stderr } = await sluice(['up', '--data', data, '--port', port]);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain(`the store's tables have version ${newer}`);
  expect(stderr).toContain('Run the newer version of Sluice');
  expect(stderr).not.toMatch(/^\s+at /m);
  rmSync(data, { recursive: true });
});
