import { expect, test } from 'vitest';
import { checkExposure } from './exposure.ts';

test.each(['127.0.0.1', '::1', 'localhost'])('%s needs neither TLS nor token', (host) => {
  expect(() => checkExposure('API', host, false, undefined)).not.toThrow();
});

test.each([
  ['0.0.0.0', false, undefined, 'TLS and a token'],
  ['::', true, undefined, 'a token'],
  ['10.0.0.1', false, 'secret', 'TLS'],
  ['127.example.org', false, undefined, 'TLS and a token'],
  ['127.0.0.1', false, '', 'empty'],
])('%s with TLS %s and token %s is refused', (host, tls, token, missing) => {
  expect(() => checkExposure('uplink', host, tls, token)).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(missing) }),
  );
});

test('beyond loopback, TLS and a token are enough', () => {
  expect(() => checkExposure('API', '0.0.0.0', true, 'secret')).not.toThrow();
});
