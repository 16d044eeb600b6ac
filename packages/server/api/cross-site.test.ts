import { expect, test } from 'vitest';
import { isFromOtherSite } from './cross-site.ts';

const host = '127.0.0.1:8080';

test.each([
  [{ host }],
  [{ host, 'sec-fetch-site': 'none' }],
  [{ host, 'sec-fetch-site': 'same-origin' }],
  [{ host, origin: 'http://127.0.0.1:8080' }],
  [{ host: 'LOCALHOST:8080', origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }],
  [{ host, origin: 'https://logs.example.org', 'sec-fetch-site': 'same-origin' }],
])('the console and programs are answered: %j', (headers) => {
  expect(isFromOtherSite(headers, ['logs.example.org'])).toBe(false);
});

test.each([
  [{ host, 'sec-fetch-site': 'cross-site' }],
  [{ host, 'sec-fetch-site': 'same-site' }],
  [{ host, origin: 'http://127.0.0.1:3000' }],
  [{ host, origin: 'https://evil.example' }],
  [{ host, origin: 'https://logs.example.org.evil.example' }],
  [{ host, origin: 'null' }],
  [{ host, origin: '' }],
])('pages of other sites are not: %j', (headers) => {
  expect(isFromOtherSite(headers, ['logs.example.org'])).toBe(true);
});
