import { expect, test } from 'vitest';
import { phraseSql } from './phrase.ts';
import { wordSql } from './word.ts';

test('a phrase asks the index for its words and the text for their order', () => {
  const sql = phraseSql(' Timed  OUT ');
  expect(sql).toContain("hasAllTokens(lower(Body), ['timed', 'out']) AND match(lower(Body), ");
  expect(sql).toContain('timed[');
});

test('one word in quotes is the word, a blank phrase is everything', () => {
  expect(phraseSql('timeout')).toBe(wordSql('timeout'));
  expect(phraseSql('  ')).toBeUndefined();
});
