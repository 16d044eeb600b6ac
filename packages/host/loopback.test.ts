import { expect, test } from 'vitest';
import { isLoopbackHost } from './loopback.ts';

test.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])('%s is this computer alone', (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

test.each(['0.0.0.0', '::', '10.0.0.1', '127.example.org', 'localhost.example.org', '1127.0.0.1', ''])(
  '%s is not',
  (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  },
);
