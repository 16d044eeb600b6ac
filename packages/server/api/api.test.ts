import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { SluiceError } from '@sluice/base/error';
import { parseQuery } from '@sluice/query/parse';
import { QueryService } from '@sluice/wire/gen/query_pb';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { searchBusy, searchTimeout } from '../search/search-errors.ts';
import type { SearchService } from '../search/search-service.ts';
import { type Api, type ApiOptions, startApi } from './api.ts';

const logger = pino({ level: 'silent' });
const search: SearchService = {
  search: async (request, _principal, signal) => {
    if (request.query === 'down') throw new SluiceError('not_reachable', 'the store does not answer');
    if (request.query === 'busy') throw searchBusy(6_400);
    if (request.query === 'slow') throw searchTimeout();
    if (request.query === 'wait') {
      waiting();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    parseQuery(request.query);
    return { records: [{ id: 'a.1.2.3', body: request.query }] };
  },
  count: async () => ({ count: 5n }),
  histogram: async () => ({ total: 0n }),
};
let waiting: () => void = () => undefined;

let directory: string;
let running: Api[];
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-api-'));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((api) => api.stop()));
  rmSync(directory, { recursive: true });
});

async function start(options: Partial<ApiOptions> = {}): Promise<Api> {
  const api = await startApi({
    host: '127.0.0.1',
    port: 0,
    consoleDirectory: directory,
    search,
    status: () => ({ violationsTotal: 3n }),
    metrics: async () => 'sluice_up 1\n',
    logger,
    ...options,
  });
  running.push(api);
  return api;
}

function clientOf(api: Api, useBinaryFormat = true): ReturnType<typeof createClient<typeof QueryService>> {
  return createClient(
    QueryService,
    createConnectTransport({ baseUrl: api.url, httpVersion: '1.1', useBinaryFormat }),
  );
}

/** A raw request, since fetch does not let a Host header be set. */
function get(
  api: Api,
  where: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port: api.port, path: where, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (text: string) => {
        body += text;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    request.on('error', reject);
  });
}

test.each([true, false])('QueryService answers in binary (%s) and JSON', async (binary) => {
  const client = clientOf(await start(), binary);
  expect((await client.search({ query: 'x' })).records[0]?.id).toBe('a.1.2.3');
  expect((await client.count({})).count).toBe(5n);
  expect((await client.getStatus({})).violationsTotal).toBe(3n);
});

test('errors have a code that programs understand, and a wrong query its place', async () => {
  const client = clientOf(await start());
  const failure = async (query: string): Promise<ConnectError> => {
    try {
      await client.search({ query });
    } catch (error) {
      return ConnectError.from(error);
    }
    throw new Error('it did not fail');
  };
  const wrong = await failure('abc AND )');
  expect(wrong.code).toBe(Code.InvalidArgument);
  expect(wrong.metadata.get('sluice-error-position')).toBe('8');
  expect((await failure('down')).code).toBe(Code.Unavailable);
  expect((await failure('slow')).code).toBe(Code.DeadlineExceeded);
});

test('stop ends requests that wait', async () => {
  const api = await start();
  const arrived = new Promise<void>((resolve) => {
    waiting = resolve;
  });
  const asked = clientOf(api)
    .search({ query: 'wait' })
    .then(
      () => 'answered',
      () => 'ended',
    );
  await arrived;
  await api.stop();
  running = [];
  expect(await asked).toBe('ended');
  await expect(get(api, '/healthz', {})).rejects.toThrow('ECONNREFUSED');
}, 20_000);

test('a page of another site cannot reach a server on loopback through a name of its own', async () => {
  const api = await start({ hostNames: ['logs.example.com'] });
  expect((await get(api, '/metrics', { host: 'evil.example:8080' })).status).toBe(421);
  expect((await get(api, '/metrics', { host: 'logs.example.com' })).status).toBe(200);
  for (const host of ['localhost:1', '127.0.0.1', '[::1]:8080']) {
    expect((await get(api, '/healthz', { host })).status).toBe(200);
  }
});

test('with a token, logs and metrics want it, health does not', async () => {
  const api = await start({ token: 'secret' });
  expect((await fetch(`${api.url}/metrics`)).status).toBe(401);
  expect((await fetch(`${api.url}/metrics`, { headers: { authorization: 'Bearer wrong' } })).status).toBe(
    401,
  );
  expect((await fetch(`${api.url}/metrics`, { headers: { authorization: 'Bearer secret' } })).status).toBe(
    200,
  );
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  await expect(clientOf(api).count({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  // A path that decodes to the protected one is not another path.
  const hidden = await get(
    api,
    '/sluice%2Ev1.QueryService/Count?connect=v1&encoding=json&message=%7B%7D',
    {},
  );
  expect(hidden.status).toBe(401);
});

test('a server does not listen to the network without token and TLS', async () => {
  await expect(start({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'config_invalid' });
  await expect(start({ host: '0.0.0.0', token: 'x' })).rejects.toMatchObject({ code: 'config_invalid' });
});

test('a port in use is named', async () => {
  const { port } = await start();
  await expect(start({ port })).rejects.toMatchObject({ code: 'address_in_use' });
});

test('readiness says why not', async () => {
  const api = await start({ notReady: () => 'the store does not answer' });
  const answer = await fetch(`${api.url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([503, 'the store does not answer\n']);
});

test('the console is one page with its files, and says how to build it when it is not there', async () => {
  const api = await start();
  expect(await (await fetch(api.url)).text()).toContain('npm run build');
  mkdirSync(path.join(directory, 'assets'));
  writeFileSync(path.join(directory, 'index.html'), '<p>console</p>');
  writeFileSync(path.join(directory, 'assets', 'main-1a2b.js'), 'let a;');
  const page = await fetch(`${api.url}/flow?x=1`);
  expect(await page.text()).toBe('<p>console</p>');
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  const script = await fetch(`${api.url}/assets/main-1a2b.js`);
  expect(script.headers.get('content-type')).toContain('javascript');
  expect(script.headers.get('cache-control')).toContain('immutable');
  expect((await fetch(`${api.url}/assets/none.js`)).status).toBe(404);
  writeFileSync(path.join(directory, '..', `${path.basename(directory)}.txt`), 'outside');
  const outside = await get(api, `/..%2f${path.basename(directory)}.txt`, {});
  rmSync(`${directory}.txt`);
  expect(outside.body).not.toContain('outside');
});

test('a request that is too large is refused', async () => {
  const api = await start();
  const answer = await fetch(`${api.url}/sluice.v1.QueryService/Search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'x'.repeat(2 * 1024 * 1024) }),
  });
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(await answer.text()).not.toContain('records');
});

test('a busy server says so, and when to come again, as HTTP does', async () => {
  const api = await start();
  const answer = await fetch(`${api.url}/sluice.v1.QueryService/Search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'busy' }),
  });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7']);
  expect(answer.headers.get('sluice-error-code')).toBe('busy');
  expect(await answer.json()).toMatchObject({
    code: 'resource_exhausted',
    message: expect.stringMatching(/^busy with other searches, try again in 7 s/),
  });
});
