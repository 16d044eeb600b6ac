import { expect, test } from 'vitest';
import { readAsker, writeAsker } from './asker.ts';

test.each(['token', 'anonymous', 'agent web 1', 'agent 数据\r\nX-Sluice-Access: write', "a'b%(c)*!~"])(
  '%j goes through a header and back',
  (name) => {
    expect(writeAsker(name)).toMatch(/^[\x21-\x7e]+$/);
    expect(readAsker(writeAsker(name))).toBe(name);
  },
);

test('nothing else is read', () => {
  expect(readAsker(undefined)).toBeUndefined();
  for (const text of ['', 'a b', '%zz', '%', 'é', 'x'.repeat(513)])
    expect(() => readAsker(text)).toThrow(expect.objectContaining({ exceptionCode: 36 }));
});
