import { expect, test } from 'vitest';
import { parseQuery } from './parse.ts';
import { regexTerms } from './regex-terms.ts';

test('every regular expression of a query with its place', () => {
  expect(regexTerms(parseQuery('a -/b/ (c OR x:/d/)'))).toEqual([
    { pattern: 'b', position: 3 },
    { pattern: 'd', position: 15 },
  ]);
  expect(regexTerms(parseQuery('*'))).toEqual([]);
});
