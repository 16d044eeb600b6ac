import { expect, test } from 'vitest';
import { wordWildcardSql } from './word-wildcard.ts';

test('a boundary stands where the word has a letter and no wildcard', () => {
  expect(wordWildcardSql(['Time', ''])).toMatch(/^match\(lower\(Body\), '\(\?:\^\|.*\)time'\)$/);
  expect(wordWildcardSql(['', 'out'])).toMatch(/'out\(\?:\$\|.*\)'\)$/);
  expect(wordWildcardSql(['', 'x', ''])).toBe("match(lower(Body), 'x')");
  expect(wordWildcardSql(['', 'a', 'b', ''])).toBe("match(lower(Body), 'a\\\\S*b')");
});
