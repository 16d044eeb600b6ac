/** Who may ask the store: on its socket, on a port of loopback, and beyond. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readEndpoint, readSecret } from './endpoint.ts';
import { checkStoreExposure, MAX_SOCKET_PATH_BYTES } from './listen.ts';
import { type SupervisedStore, superviseStore } from './supervisor.ts';
import { askAnyway, askStore, textOf } from './testing/ask-store.ts';

const logger = pino({ level: 'silent' });
const HOST = '127.0.0.1';
let base: string;
let store: SupervisedStore | undefined;

beforeAll(() => {
  base = mkdtempSync(path.join(tmpdir(), 'sluice-doors-'));
});
afterEach(async () => {
  await store?.stop();
  store = undefined;
});
afterAll(() => rmSync(base, { recursive: true }));

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

describe('without an address the store listens on a socket of its directory', () => {
  test('that only its user can reach, also when the path has spaces', async () => {
    const directory = path.join(base, 'a directory with spaces');
    mkdirSync(directory, { mode: 0o755 });
    store = await superviseStore({ directory, logger });
    const endpoint = readEndpoint(directory);
    expect(endpoint).toEqual({ kind: 'socket', path: path.join(directory, 'socket') });
    expect(await textOf(directory, 'SELECT 1')).toBe('1\n');
    // Whoever can open the socket is let in without the secret.
    expect((await askAnyway(directory, { body: 'SELECT 2' })).text).toBe('2\n');
    expect(modeOf(directory)).toBe('700');
    for (const file of ['socket', 'secret', 'endpoint', 'lock'])
      expect(modeOf(path.join(directory, file))).toBe('600');
    for (const name of ['engine', 'incoming']) expect(modeOf(path.join(directory, name))).toBe('700');
  });

  test('and is found there again after it was killed, over what it left of the socket', async () => {
    const directory = path.join(base, 'killed');
    store = await superviseStore({ directory, logger });
    const restarted = new Promise<void>((resolve) => store?.onRestart(resolve));
    process.kill(store.pid ?? 0, 'SIGKILL');
    await restarted;
    expect(await textOf(directory, 'SELECT 1')).toBe('1\n');
  });

  test('or, where the path is too long for a socket, on loopback with the secret, and says so', async () => {
    const directory = path.join(base, 'x'.repeat(MAX_SOCKET_PATH_BYTES));
    const lines: string[] = [];
    const told = pino({}, { write: (line: string) => lines.push(line) });
    store = await superviseStore({ directory, logger: told });
    expect(readEndpoint(directory)).toMatchObject({ kind: 'port', host: HOST });
    expect(await textOf(directory, 'SELECT 1')).toBe('1\n');
    expect((await askAnyway(directory, { body: 'SELECT 1' })).status).toBe(403);
    await expect.poll(() => lines.join('')).toMatch(/listens on loopback instead/);
  });
});

describe('a request that the store could not serve stands in its log with who asked', () => {
  /** Fails by the store's fault, as far as the store knows. */
  const question = {
    body: 'SELECT length(groupArray(number)) FROM numbers(10000000)',
    parameters: { max_memory_usage: '1000000' },
  };

  test.each([
    ['on the socket', undefined, {}, 'store client by socket'],
    ['on the socket for somebody', undefined, { 'x-sluice-asker': 'agent%20web-1' }, 'agent web-1'],
    ['on a port', { host: HOST, port: 0 }, {}, 'store client by password'],
  ])('%s', async (name, listen, headers, asker) => {
    const directory = path.join(base, `asked ${name}`);
    const lines: string[] = [];
    const told = pino({}, { write: (line: string) => lines.push(line) });
    store = await superviseStore({ directory, logger: told, ...defined({ listen }) });
    expect((await askStore(directory, { ...question, headers })).headers['x-clickhouse-exception-code']).toBe(
      '241',
    );
    await expect.poll(() => lines.join('')).toContain(`asker\\":\\"${asker}\\"`);
    expect(lines.join('')).not.toContain(readSecret(directory));
  });
});

describe('on a port of loopback', () => {
  let directory: string;
  async function onPort(): Promise<number> {
    directory = path.join(base, 'port');
    store = await superviseStore({ directory, listen: { host: HOST, port: 0 }, logger });
    const endpoint = readEndpoint(directory);
    return endpoint.kind === 'port' ? endpoint.port : 0;
  }

  test('only the secret of the directory opens the store, and only to this computer by its names', async () => {
    const port = await onPort();
    const secret = readSecret(directory);
    expect(secret).toMatch(/^[\w-]{43}$/);
    expect(await textOf(directory, 'SELECT 1')).toBe('1\n');
    const wrong = [
      {},
      { 'x-clickhouse-user': 'default', 'x-clickhouse-key': '' },
      { 'x-clickhouse-user': 'default', 'x-clickhouse-key': `${secret}x` },
      { 'x-clickhouse-user': 'other', 'x-clickhouse-key': secret },
    ];
    for (const headers of wrong)
      expect((await askAnyway(directory, { body: 'SELECT 1', headers })).status).toBe(403);
    const inUrl = { parameters: { user: 'default', password: secret, query: 'SELECT 1' } };
    expect((await askAnyway(directory, { method: 'GET', ...inUrl })).status).toBe(403);

    const statusFor = async (headers: Record<string, string>): Promise<number> =>
      (await askStore(directory, { body: 'SELECT 1', headers })).status;
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`])
      expect([host, await statusFor({ host })]).toEqual([host, 200]);
    for (const host of [
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      'localhost.evil.example',
    ])
      expect([host, await statusFor({ host })]).toEqual([host, 421]);
    const browser: readonly Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port}` },
      { referer: 'https://evil.example/' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' },
      {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': 'x',
        'sec-websocket-version': '13',
      },
    ];
    for (const headers of browser) expect([headers, await statusFor(headers)]).toEqual([headers, 403]);
  });

  test('a request writes only by POST and by saying so, and sets only what it may', async () => {
    await onPort();
    const create = 'CREATE TABLE IF NOT EXISTS sluice_t (a UInt8) ENGINE = MergeTree ORDER BY a';
    const get = { method: 'GET', parameters: { query: create } };
    expect((await askStore(directory, { ...get, write: true })).headers['x-clickhouse-exception-code']).toBe(
      '164',
    );
    expect((await askStore(directory, { body: create })).headers['x-clickhouse-exception-code']).toBe('164');
    expect((await askStore(directory, { body: create, write: true })).status).toBe(200);
    expect(await textOf(directory, 'SELECT count() FROM sluice_t')).toBe('0\n');
    for (const name of [
      'readonly',
      'allow_introspection_functions',
      'format_template_row',
      'no_such_setting',
      'role',
    ]) {
      const parameters = { [name]: '0' };
      const answer = await askStore(directory, { body: 'SELECT 1', parameters });
      expect([name, answer.headers['x-clickhouse-exception-code']]).toEqual([name, '115']);
    }
    // Who says that it only reads may not write, whatever else it says.
    const reading = { parameters: { readonly: '1' }, write: true };
    expect(
      (await askStore(directory, { body: create, ...reading })).headers['x-clickhouse-exception-code'],
    ).toBe('164');
    expect(await textOf(directory, 'SELECT 1', reading)).toBe('1\n');
    const system = await askStore(directory, { body: 'SELECT 1', parameters: { database: 'system' } });
    expect(system.status).toBe(403);
    const template = await askStore(directory, {
      body: 'SELECT 1',
      parameters: { default_format: 'Template' },
    });
    expect(template.status).toBe(403);
  });

  test('a password takes the place of the secret, and is wanted on the socket as well', async () => {
    directory = path.join(base, 'password');
    store = await superviseStore({ directory, user: 'me', password: 'a password', logger });
    const headers = { 'x-clickhouse-user': 'me', 'x-clickhouse-key': 'a password' };
    expect((await askAnyway(directory, { body: 'SELECT 1', headers })).status).toBe(200);
    expect((await askStore(directory, { body: 'SELECT 1' })).status).toBe(403);
  });
});

test('beyond loopback the store wants TLS and a password', () => {
  for (const [host, tls, password] of [
    ['0.0.0.0', false, undefined],
    ['0.0.0.0', true, undefined],
    ['0.0.0.0', true, ''],
    ['::', false, 'x'],
    ['192.0.2.1', false, 'x'],
    ['store.example', false, undefined],
  ] as const)
    expect(() => checkStoreExposure(host, tls, password)).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    );
  checkStoreExposure('127.0.0.1', false, undefined);
  checkStoreExposure('0.0.0.0', true, 'x');
});

test('the secret is on no command line and in no environment of the process', async () => {
  const directory = path.join(base, 'hidden');
  store = await superviseStore({ directory, listen: { host: HOST, port: 0 }, logger });
  const secret = readSecret(directory);
  if (process.platform !== 'linux') return;
  for (const file of ['cmdline', 'environ'])
    expect(readFileSync(`/proc/${store.pid}/${file}`, 'utf8')).not.toContain(secret);
});
