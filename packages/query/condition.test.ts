import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Condition } from './condition.ts';
import { parseQuery } from './parse.ts';

const { everything, nothing } = Condition;

test('pieces are joined as wholes', () => {
  const a = Condition.equals('ServiceName', "a' OR '1");
  const b = Condition.isIn(
    ['AgentId', 'BlockSequence'],
    [
      ['x', 1],
      ['y', 2n],
    ],
  );
  expect(a.sql).toBe("ServiceName = 'a\\' OR \\'1'");
  expect(b.sql).toBe("(AgentId, BlockSequence) IN (('x', 1), ('y', 2))");
  expect(Condition.all([a, Condition.any([b, a])]).sql).toBe(`(${a.sql}) AND ((${b.sql}) OR (${a.sql}))`);
  expect(Condition.not(a).sql).toBe(`NOT (${a.sql})`);
  expect(Condition.isNotIn(['BlockSequence'], [[1], [2]]).sql).toBe('BlockSequence NOT IN (1, 2)');
});

test('what is always or never true leaves no trace, and is never the other', () => {
  const a = Condition.equals('Body', '');
  expect(Condition.all([])).toBe(everything);
  expect(Condition.all([everything, a, everything])).toBe(a);
  expect(Condition.any([])).toBe(nothing);
  expect(Condition.any([nothing, a])).toBe(a);
  expect(Condition.any([a, everything])).toBe(everything);
  expect(Condition.all([a, nothing]).sql).toBe(`(${a.sql}) AND (false)`);
  expect(Condition.not(everything)).toBe(nothing);
  expect(Condition.not(nothing)).toBe(everything);
  expect(Condition.isIn(['Body'], [])).toBe(nothing);
  expect(Condition.isNotIn(['Body'], [])).toBe(everything);
});

test.each([
  ['1) OR (1', 'nothing opened'],
  ['(1', '1 brackets are open'],
  ['[1)', 'nothing opened'],
  ["Body = 'x", 'does not end'],
  ["Body = 'x\\'", 'does not end'],
  ['1 -- and', 'comment'],
  ['1 /* and', 'comment'],
  ['1; SELECT 2', 'outside of a string'],
  ['1 # and', 'outside of a string'],
  ['`a` = 1', 'outside of a string'],
  ['"a" = 1', 'outside of a string'],
  ['\\', 'outside of a string'],
  [' ', 'empty'],
])('%s is no whole expression', (sql, fault) => {
  expect(() => Condition.ofSql(sql)).toThrow(
    expect.objectContaining({ code: 'internal', message: expect.stringContaining(fault) }),
  );
});

test('an expression may hold brackets, and anything in a string', () => {
  for (const sql of ['f(a, [1, (2)], {day:Date}) > -1 - 2 / 3', "Body = ') -- /* \\' ; \" ` (' AND x = ''"])
    expect(Condition.ofSql(sql).sql).toBe(sql);
});

test('names and numbers are checked', () => {
  expect(() => Condition.equals('Body) OR (1', '')).toThrow(expect.objectContaining({ code: 'internal' }));
  expect(() => Condition.equals('BlockEpoch', 1.5)).toThrow(expect.objectContaining({ code: 'internal' }));
  expect(() => Condition.equals('BlockEpoch', Number.NaN)).toThrow(
    expect.objectContaining({ code: 'internal' }),
  );
});

test('whatever a query says is a whole expression', () => {
  const word = fc.string({
    unit: fc.constantFrom(...'ab9\'"\\()[]{}-/*;#`:%_ é\n'),
    minLength: 1,
    maxLength: 12,
  });
  const quoted = word.map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  const term = fc.oneof(
    quoted,
    fc.tuple(quoted, quoted).map(([field, value]) => `${field}:${value}`),
    word.map((text) => `/${text.replaceAll('\\', '\\\\').replaceAll('/', '\\/')}/`),
    quoted.map((value) => `service:${value}`),
    fc.constantFrom('severity:>=warn', 'status:>=-5', 'status:[-1 TO *]', 'id:a.1.2.3', 'a*b', 'user:ali*'),
  );
  const query = fc
    .array(fc.tuple(fc.constantFrom('', 'NOT ', '-'), term, fc.constantFrom(' ', ' OR ', ' AND ')), {
      minLength: 1,
      maxLength: 6,
    })
    .map((terms) =>
      terms.map(([not, text], index) => (index === 0 ? '' : terms[index]?.[2]) + not + text).join(''),
    );
  fc.assert(
    fc.property(query, (text) => {
      let node: ReturnType<typeof parseQuery>;
      try {
        node = parseQuery(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'query_invalid' });
        return;
      }
      expect(Condition.ofQuery(node).sql).not.toBe('');
    }),
    { numRuns: 2_000 },
  );
});
