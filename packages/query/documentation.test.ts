import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { queryToSql } from './testing/query-to-sql.ts';

const text = readFileSync(new URL('../../docs/search.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/^\| `(.+?)` \|/gm)].map((found) => found[1] ?? '');

test('docs/search.md has examples', () => {
  expect(examples.length).toBeGreaterThan(30);
});

test.each(examples)('the example %s of docs/search.md is a query', (query) => {
  expect(queryToSql(query)).not.toBe('');
});
