import { expect, test } from 'vitest';
import { likeLiteral, regexLiteral, sqlString } from './sql-text.ts';

test('quotes, backslashes and control characters cannot end a literal', () => {
  expect(sqlString("it's \\ \n\u0000")).toBe("'it\\'s \\\\ \\x0a\\x00'");
  expect(sqlString('\ud800')).toBe("'\ufffd'");
});

test('patterns match their text only', () => {
  expect(regexLiteral('a.b*(c)')).toBe('a\\.b\\*\\(c\\)');
  expect(likeLiteral('50%_\\')).toBe('50\\%\\_\\\\');
});
