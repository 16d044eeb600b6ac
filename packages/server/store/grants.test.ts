/** The grants that docs/security.md gives for a ClickHouse of one's own are those that a server needs. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createMigrationTable, MIGRATIONS } from './schema.ts';

const DOCUMENT: string = path.join(import.meta.dirname, '../../../docs/security.md');

/** The privilege for each kind of step in a statement of the migrations (ClickHouse, system.privileges). */
const STEPS: readonly (readonly [step: RegExp, privilege: string])[] = [
  [/^CREATE TABLE IF NOT EXISTS /, 'CREATE TABLE'],
  [/^ALTER TABLE \w+ ADD COLUMN /, 'ALTER ADD COLUMN'],
  [/,\s+MODIFY ORDER BY /, 'ALTER ORDER BY'],
];
/** Of what a server asks beyond them: inserts, searches, and lightweight deletes, which the engine makes of two. */
const OTHERS = ['SELECT', 'INSERT', 'ALTER DELETE', 'ALTER UPDATE', 'OPTIMIZE'];

test('each is needed, and none is missing', () => {
  const needed = new Set(OTHERS);
  for (const statement of [
    createMigrationTable(undefined),
    ...MIGRATIONS.flatMap((step) => step.statements(undefined)),
  ]) {
    const privileges = STEPS.filter(([step]) => step.test(statement)).map(([, privilege]) => privilege);
    expect(privileges, statement).not.toEqual([]);
    for (const privilege of privileges) needed.add(privilege);
  }
  const [, granted = ''] =
    /^GRANT (.+) ON sluice\.\* TO sluice;$/m.exec(readFileSync(DOCUMENT, 'utf8')) ?? [];
  expect(granted.split(', ').sort()).toEqual([...needed].sort());
});
