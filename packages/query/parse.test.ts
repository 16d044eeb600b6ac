import { SluiceError } from '@sluice/base/error';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_QUERY_DEPTH, MAX_QUERY_LENGTH, MAX_QUERY_TERMS } from './limits.ts';
import { parseQuery } from './parse.ts';
import { queryToSql } from './testing/query-to-sql.ts';

const word = (text: string, position: number): object => ({
  kind: 'term',
  field: undefined,
  match: { kind: 'word', parts: text.split('*') },
  position,
});

test('AND binds closer than OR, a space is AND', () => {
  expect(parseQuery('a b OR c')).toEqual({
    kind: 'or',
    children: [{ kind: 'and', children: [word('a', 0), word('b', 2)] }, word('c', 7)],
  });
  expect(parseQuery('a AND (b OR c)')).toEqual({
    kind: 'and',
    children: [word('a', 0), { kind: 'or', children: [word('b', 7), word('c', 12)] }],
  });
});

test('lower-case operators, times, URLs and paths are words', () => {
  for (const text of ['or', 'and', 'not', '12:30:45', 'http://x.y/z', '/var/log', '::1', '--flag', 'a-b']) {
    expect(parseQuery(text)).toEqual(word(text, 0));
  }
});

test.each([
  ['status:>=500', 'status', { kind: 'compare', operator: '>=', value: '500' }],
  ['status:400..499', 'status', { kind: 'range', low: '400', high: '499' }],
  ['status:[400 TO *]', 'status', { kind: 'range', low: '400', high: undefined }],
  ['user:*', 'user', { kind: 'exists' }],
  ['user:a*b', 'user', { kind: 'word', parts: ['a', 'b'] }],
  ['user:a\\*b', 'user', { kind: 'word', parts: ['a*b'] }],
  ['user:"a \\"b\\" \\\\ \\n"', 'user', { kind: 'phrase', text: 'a "b" \\ \n' }],
  ['"odd name":x', 'odd name', { kind: 'word', parts: ['x'] }],
  ['path:/a\\/b\\d/', 'path', { kind: 'regex', pattern: 'a/b\\d' }],
])('%s is a condition of its field', (text, field, match) => {
  expect(parseQuery(text)).toMatchObject({ kind: 'term', field, match });
});

test.each([
  ['abc AND', 7],
  ['OR abc', 0],
  ['(a b', 0],
  ['a b)', 3],
  ['a ()', 3],
  ['x "open', 2],
  ['a -', 3],
  ['field:', 6],
  ['field: x', 6],
  ['status:>=', 9],
  ['status:>=abc', 7],
  ['a:(b:c)', 3],
  ['severity:>=loud', 9],
  ['urgency:soon', 8],
  ['id:x', 3],
  ['body:>5', 5],
])('the mistake in %s is at %d', (text, position) => {
  expect(() => queryToSql(text)).toThrow(expect.objectContaining({ code: 'query_invalid' }));
  try {
    queryToSql(text);
  } catch (error) {
    expect(error).toMatchObject({
      code: 'query_invalid',
      position,
      message: expect.stringContaining('expected'),
    });
  }
});

test('limits are errors of the query', () => {
  expect(() => parseQuery('a'.repeat(MAX_QUERY_LENGTH + 1))).toThrow(
    expect.objectContaining({ code: 'query_invalid' }),
  );
  expect(() => parseQuery('('.repeat(MAX_QUERY_DEPTH + 2))).toThrow(/nested too deeply/);
  expect(() => parseQuery('NOT '.repeat(1000))).toThrow(/nested too deeply/);
  expect(() => parseQuery('a '.repeat(MAX_QUERY_TERMS + 1))).toThrow(/too many terms/);
  expect(() => queryToSql('a '.repeat(MAX_QUERY_TERMS))).not.toThrow();
});

const PIECES = [
  'a',
  '"',
  ':',
  '(',
  ')',
  '-',
  '*',
  '/',
  '\\',
  ' ',
  'OR',
  'AND ',
  'NOT ',
  '>=',
  '..',
  '[',
  ' TO ',
  '5',
  'severity:',
  'urgency:',
  'id:',
  'body:',
  "'",
  '\u0000',
  '超',
  '\ud800',
  'field:',
  '{p0:String}',
];

test('any text gives SQL or an error with a position inside of it', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (query) => {
      try {
        expect(queryToSql(query)).toEqual(expect.any(String));
      } catch (error) {
        if (!SluiceError.is(error, 'query_invalid')) throw error;
        expect(error.position).toBeGreaterThanOrEqual(0);
        expect(error.position).toBeLessThanOrEqual(query.length);
      }
    }),
    { numRuns: 3000 },
  );
});

test('outside of its literals, the SQL has no character of the query', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }), (pieces) => {
      let sql: string;
      try {
        sql = queryToSql(pieces.join(''));
      } catch (error) {
        if (SluiceError.is(error, 'query_invalid')) return;
        throw error;
      }
      const outside = sql.replace(/'(?:\\.|[^'\\])*'/gs, '');
      expect(outside).toMatch(/^[A-Za-z0-9 _()[\],.<>=!]*$/);
    }),
    { numRuns: 2000 },
  );
});
