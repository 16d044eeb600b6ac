/** The statements that docs/security.md gives for a ClickHouse of one's own are statements of the engine. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Session } from 'chdb';
import { expect, test } from 'vitest';
import { quoteString } from './statement.ts';

const DOCUMENT: string = path.join(import.meta.dirname, '..', '..', 'docs', 'security.md');

test('the engine parses each of them, and would tell of one that it cannot', () => {
  const blocks = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^```sql\n([\s\S]*?)^```/gm)];
  const statements = blocks
    .flatMap(([, text = '']) => text.split(/;\n/))
    .filter((text) => text.trim() !== '');
  expect(statements.length).toBeGreaterThan(5);
  const session = new Session();
  const parse = (sql: string): string =>
    String(session.query(`SELECT formatQuery(${quoteString(sql)})`, 'TSV'));
  for (const sql of statements) expect(parse(sql)).toMatch(/^(CREATE|GRANT) /);
  expect(() => parse('GRANT NOTHING OF THE KIND ON x')).toThrow();
  session.close();
});
