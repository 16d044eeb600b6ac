import { expect, test } from 'vitest';
import { tlsProblem } from './tls-problem.ts';

const failed = (code: string, cause?: Error): Error =>
  Object.assign(new Error(`what OpenSSL says of ${code}`, { cause }), { code });

test.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', '--tls-ca'],
  ['CERT_HAS_EXPIRED', 'expired'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'another name'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', '--tls-cert'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'http://'],
])('%s is said in words, with what the library said', (code, words) => {
  expect(tlsProblem(failed(code))).toContain(words);
  expect(tlsProblem(failed(code))).toContain(`what OpenSSL says of ${code}`);
});

test('it is found behind other errors', () => {
  expect(tlsProblem(failed('ECONNRESET', failed('CERT_HAS_EXPIRED')))).toContain('expired');
});

test.each([failed('ECONNREFUSED'), new Error('x'), 'x', undefined])('%s is none', (error) => {
  expect(tlsProblem(error)).toBeUndefined();
});
