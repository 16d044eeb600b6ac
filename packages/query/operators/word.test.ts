import { expect, test } from 'vitest';
import { wordSql } from './word.ts';

test('a word is one token of the index', () => {
  expect(wordSql('TimeOut')).toBe("hasAllTokens(lower(Body), ['timeout'])");
});

test('a word with punctuation is its tokens and its very text between boundaries', () => {
  const sql = wordSql('10.0.0.1');
  expect(sql).toContain("hasAllTokens(lower(Body), ['10', '0', '1'])");
  expect(sql).toContain('10\\\\.0\\\\.0\\\\.1');
});

test('other scripts and bare punctuation are found as text', () => {
  expect(wordSql('超时')).toBe("positionCaseInsensitiveUTF8(Body, '超时') > 0");
  expect(wordSql('=>')).toBe("positionCaseInsensitiveUTF8(Body, '=>') > 0");
});
