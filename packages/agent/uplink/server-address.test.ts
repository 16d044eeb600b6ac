import { expect, test } from 'vitest';
import { checkServers } from './server-address.ts';

test('good addresses pass', () => {
  const servers = [
    { address: 'http://127.0.0.1:4620', token: 't' },
    { address: 'https://logs.example:4620', token: 't' },
    { address: 'http://[::1]:4621' },
  ];
  expect(() => checkServers(servers, 3)).not.toThrow();
});

test.each([
  ['none', []],
  ['too many', Array.from({ length: 4 }, (_, index) => ({ address: `http://127.0.0.1:${4000 + index}` }))],
  ['no URL', [{ address: 'logs:4620' }]],
  ['a path', [{ address: 'https://logs/path' }]],
  ['another scheme', [{ address: 'ftp://logs' }]],
  ['one twice', [{ address: 'https://logs:1' }, { address: 'https://logs:1/' }]],
  ['logs in clear', [{ address: 'http://logs:4620' }]],
])('%s is refused with what to do', (_name, servers) => {
  expect(() => checkServers(servers, 3)).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.any(String) }),
  );
});
