import { stripVTControlCharacters } from 'node:util';
import { expect, test, vi } from 'vitest';
import { jsonLine, printable, printError } from './terminal.ts';

const HOSTILE = 'a\u001b[31m\u009b2J\u202egpj.exe\u2066\u2028\n\tb';
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not be there.
const RAW = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

test('what drives a terminal, or turns its text around, is shown', () => {
  expect(printable(HOSTILE)).toBe('a\\x1b[31m\\x9b2J\\u202egpj.exe\\u2066\\u2028\\n\tb');
  expect(printable('عربي ünï 漢字 \u{1f600}')).toBe('عربي ünï 漢字 \u{1f600}');
});

test('a line of JSON holds nothing that a terminal obeys, and says the same', () => {
  const line = jsonLine({ body: HOSTILE });
  expect(line).not.toMatch(RAW);
  expect(JSON.parse(line)).toEqual({ body: HOSTILE });
});

test('an error in the words of others is shown the same way', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  printError(new Error(HOSTILE));
  const text = write.mock.calls.map(([chunk]) => String(chunk)).join('');
  write.mockRestore();
  expect(text).toContain('\\x9b2J');
  // Lines are its own, and so are colours.
  expect(stripVTControlCharacters(text).replaceAll('\n', '')).not.toMatch(RAW);
});
