import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Condition } from '@sluice/query/condition';
import { expect, test } from 'vitest';
import { LogStatement, narrowed, type Scope, WHOLE_TABLE } from './log-table.ts';

const ROOT: string = path.join(import.meta.dirname, '..', '..', '..');
const SOURCES: readonly string[] = globSync('packages/**/*.{ts,tsx}', {
  cwd: ROOT,
  exclude: ['**/node_modules/**', '**/dist/**', '**/testing/**', '**/*.test.ts', '**/*-fixture.ts'],
}).sort();

/** Source files in which the text has the pattern outside of comments. */
function filesWith(pattern: RegExp): string[] {
  return SOURCES.filter((file) => {
    const code = readFileSync(path.join(ROOT, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    return pattern.test(code);
  });
}

test('the log table is named by its schema, its migrations and this one place, and nowhere else', () => {
  expect(SOURCES.length).toBeGreaterThan(300);
  expect(filesWith(/otel_logs/)).toEqual(
    [
      // What the embedded store takes.
      'packages/store/allowed-names.ts',
      'packages/server/store/schema.ts',
    ].sort(),
  );
  expect(filesWith(/\bLOG_TABLE\b/)).toEqual([
    'packages/server/store/log-table.ts',
    // Its probe reads no rows: WHERE false.
    'packages/server/store/migrate.ts',
    'packages/server/store/schema.ts',
  ]);
});

test('only a server itself asks without a scope, and shows nobody the records', () => {
  expect(filesWith(/\bWHOLE_TABLE\b/)).toEqual([
    'packages/server/loader/stored-blocks.ts',
    // As what adds nothing to another scope.
    'packages/server/search/hidden-copies.ts',
    'packages/server/store/agent-tables.ts',
    'packages/server/store/log-table.ts',
  ]);
});

const ofA: Scope = { condition: Condition.equals('ServiceName', 'a'), settings: { readonly: '1', x: '1' } };

test('the scope stands beside the question, both in parentheses', () => {
  const where = Condition.ofSql("Body = 'x' OR true");
  const statement = new LogStatement(ofA, where, (from) => `SELECT count() ${from} GROUP BY Body`);
  expect(statement.sql).toBe(
    "SELECT count() FROM otel_logs WHERE (Body = 'x' OR true) AND (ServiceName = 'a') GROUP BY Body",
  );
  expect(statement.settings).toEqual(ofA.settings);
  expect(new LogStatement(WHOLE_TABLE, where, (from) => from).sql).toBe(
    "FROM otel_logs WHERE Body = 'x' OR true",
  );
});

test('a narrower scope lets pass what both do', () => {
  const further: Scope = { condition: Condition.equals('HostName', 'h'), settings: { x: '2' } };
  expect(narrowed(ofA, WHOLE_TABLE)).toEqual(ofA);
  const both = narrowed(ofA, further);
  expect(both.condition.sql).toBe("(ServiceName = 'a') AND (HostName = 'h')");
  expect(both.settings).toEqual({ readonly: '1', x: '2' });
});
