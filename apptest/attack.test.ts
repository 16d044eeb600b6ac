/**
 * Everything that a page of a foreign site, a foreign user of this computer, or a statement can try on the real
 * programs, and that nothing comes of it: no row, no file, no connection, no side effect. The store listens on a port here,
 * the wider of its two doors, but where the test says otherwise.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CHROMIUM_ARGUMENTS, findChromium } from '@sluice/console/testing/chromium';
import { pickPort } from '@sluice/host/pick-port';
import { TABLE_ENGINES, TABLE_FUNCTIONS } from '@sluice/store/allowed-names';
import { readSecret } from '@sluice/store/endpoint';
import { askStore, textOf } from '@sluice/store/testing/ask-store';
import { engineNames } from '@sluice/store/testing/engine-names';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TRY_EVERYTHING } from './attack-page.ts';
import { foundAttacks, type Prey, tableEngineAttacks, tableFunctionAttacks } from './attack-statements.ts';
import { type RunningProgram, sluice, startProgram } from './support/programs.ts';

const HOST = '127.0.0.1';
const EVIL_HOST = 'evil.example';
const PATIENCE = { timeout: 60_000, interval: 200 };
const SECRET_TEXT = 'the-secret-of-somebody-else';
const LOG_LINE = 'line-that-nobody-may-read';

let directory: string;
let storeDirectory: string;
let server: RunningProgram;
let browser: Browser;
let site: Server;
let canary: TcpServer;
let prey: Prey;
let connections = 0;
let storePort: number;
let apiPort: number;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-attack-'));
  // Others may pass through, as through /tmp: what is ours must close itself.
  chmodSync(directory, 0o755);
  storeDirectory = path.join(directory, 'server', 'store');
  canary = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const canaryPort = await portOf(canary);
  const secretFile = path.join(directory, 'secret.txt');
  writeFileSync(secretFile, `${SECRET_TEXT}\n`);
  const plantedFile = path.join(directory, 'planted.txt');
  prey = { secretFile, plantedFile, canaryUrl: `http://${HOST}:${canaryPort}/bucket/key` };
  site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>a foreign page</title>');
  });
  await portOf(site);
  storePort = await pickPort(HOST, 0);
  apiPort = await pickPort(HOST, 0);
  const uplinkPort = await pickPort(HOST, 0);
  server = await startProgram(
    [
      ...['server', '--id', 's1', '--data', path.join(directory, 'server')],
      ...['--listen', `${HOST}:${uplinkPort}`, '--api-listen', `${HOST}:${apiPort}`],
      ...['--store-listen', `${HOST}:${storePort}`],
    ],
    'ready',
    { SLUICE_LOG_LEVEL: 'error' },
  );
  await vi.waitFor(
    async () => expect((await fetch(`http://${HOST}:${apiPort}/readyz`)).status).toBe(200),
    PATIENCE,
  );
  await askStore(storeDirectory, {
    write: true,
    body: `INSERT INTO otel_logs (Timestamp, ObservedTimestamp, Body) SELECT now64(9), now64(9), '${LOG_LINE}'`,
  });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium; apptest/prepare.ts installs it');
  browser = await chromium.launch({
    executablePath,
    args: [...CHROMIUM_ARGUMENTS, `--host-resolver-rules=MAP ${EVIL_HOST} ${HOST}`],
  });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.end();
  site?.close();
  canary?.close();
  rmSync(directory, { recursive: true });
});

async function portOf(listener: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve));
  return (listener.address() as AddressInfo).port;
}

/** What must be as before, whatever was tried. */
async function expectNothingCame(): Promise<void> {
  expect(await textOf(storeDirectory, 'SELECT count(), any(Body) FROM otel_logs')).toBe(`1\t${LOG_LINE}\n`);
  expect(await textOf(storeDirectory, 'SELECT count() FROM sluice_migrations')).not.toBe('0\n');
  const attacked = await askStore(storeDirectory, { body: 'SELECT count() FROM sluice_attack' });
  expect(attacked.text).toContain('UNKNOWN_TABLE');
  expect(existsSync(prey.plantedFile)).toBe(false);
  expect(connections).toBe(0);
  expect((await fetch(`http://${HOST}:${apiPort}/readyz`)).status).toBe(200);
}

describe('a page of a foreign site', () => {
  /** Runs in the page: each way of a page to another origin, and what the page could read of the answers. */
  async function tryAll(origin: string, attackedUrls: readonly string[], statement: string): Promise<string> {
    const page = await browser.newPage();
    try {
      await page.goto(origin);
      const answer: unknown = await page.evaluate(
        `(${TRY_EVERYTHING})(${JSON.stringify(attackedUrls)}, ${JSON.stringify(statement)})`,
      );
      return String(answer);
    } finally {
      await page.close();
    }
  }

  test.each([
    `SELECT Body FROM otel_logs`,
    '/**/DROP TABLE otel_logs',
    'CREATE TABLE IF NOT EXISTS sluice_attack (a UInt8) ENGINE = MergeTree ORDER BY a',
  ])(
    'gets nothing from store and API by img, form, fetch and WebSocket: %s',
    {
      timeout: 120_000,
    },
    async (statement) => {
      const { port } = site.address() as AddressInfo;
      const urls = [storePort, apiPort].map((open) => `http://${HOST}:${open}`);
      const read = await tryAll(`http://${EVIL_HOST}:${port}/`, urls, statement);
      expect(read).not.toContain(LOG_LINE);
      expect(read).not.toContain('WebSocket');
      expect(read).not.toContain('"count"');
      await expectNothingCame();
    },
  );

  test('gets nothing by a name that it points here', { timeout: 120_000 }, async () => {
    for (const port of [storePort, apiPort]) {
      const rebound = `http://${EVIL_HOST}:${port}`;
      // The page itself is of that origin now: whatever it reads, it may keep.
      const read = await tryAll(`${rebound}/ping`, [rebound], 'SELECT Body FROM otel_logs');
      expect(read).not.toContain(LOG_LINE);
      expect(read).not.toContain('"count"');
      expect(read).not.toContain('Ok.');
    }
    await expectNothingCame();
  });
});

describe('a foreign user of this computer', () => {
  const isRoot = process.getuid?.() === 0;
  const canBecomeNobody =
    isRoot && spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'true']).status === 0;
  if (!canBecomeNobody)
    process.stderr.write(
      'attack.test.ts: not root, or no setpriv: the tests as a foreign user are skipped\n',
    );

  /** @returns what the command gave away as `nobody` */
  function asNobody(...command: string[]): string {
    const child = spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...command], {
      encoding: 'utf8',
      cwd: '/',
      timeout: 20_000,
    });
    return `${child.stdout}${child.status === 0 ? '(succeeded)' : ''}`;
  }

  test.skipIf(!canBecomeNobody)('opens no file and no door', { timeout: 120_000 }, async () => {
    // The test's own control: what is open to others, they do read.
    expect(asNobody('cat', prey.secretFile)).toContain(SECRET_TEXT);
    const data = path.join(directory, 'server');
    for (const file of [
      '',
      'journal',
      'journal/data.mdb',
      'store',
      'store/secret',
      'store/endpoint',
      'store/lock',
    ])
      expect([file, asNobody('ls', '-l', path.join(data, file))]).toEqual([file, '']);
    for (const file of ['store/secret', 'store/endpoint', 'store/lock', 'store/engine/data'])
      expect(asNobody('cat', path.join(data, file))).toBe('');
    const curl = ['curl', '-s', '--max-time', '10', '--fail', '-d', 'SELECT Body FROM otel_logs'];
    expect(asNobody(...curl, `http://${HOST}:${storePort}/`)).toBe('');
    expect(
      asNobody(
        ...curl,
        '-H',
        'X-ClickHouse-User: default',
        '-H',
        'X-ClickHouse-Key: ',
        `http://${HOST}:${storePort}/`,
      ),
    ).toBe('');
    expect(asNobody('ps', '-ewwo', 'args')).not.toContain(readSecret(storeDirectory));
    await expectNothingCame();
  });

  test.skipIf(!canBecomeNobody)('cannot open the socket either', { timeout: 120_000 }, async () => {
    const data = path.join(directory, 'socket-store');
    mkdirSync(data, { mode: 0o777 });
    const store = await startProgram(['store', '--data', data], 'ready');
    try {
      const curl = [
        'curl',
        '-s',
        '--max-time',
        '10',
        '--unix-socket',
        path.join(data, 'socket'),
        'http://localhost/?query=SELECT+1',
      ];
      expect(asNobody(...curl)).toBe('');
      expect(spawnSync(curl[0] ?? '', curl.slice(1), { encoding: 'utf8' }).stdout).toBe('1\n');
    } finally {
      await store.end();
    }
  });
});

describe('a statement, also from one who knows the secret', () => {
  /** All that were answered with success, or with the secret. */
  async function tryStatements(statements: Iterable<string>): Promise<string[]> {
    const gained: string[] = [];
    for (const body of statements) {
      const answers = [
        await askStore(storeDirectory, { body, write: true }),
        await askStore(storeDirectory, { method: 'GET', parameters: { query: body } }),
      ];
      if (answers.some(({ status, text }) => status === 200 || text.includes(SECRET_TEXT))) gained.push(body);
    }
    return gained;
  }

  test('of the kinds that were found, reads, writes and calls nothing', { timeout: 120_000 }, async () => {
    expect(await tryStatements(foundAttacks(prey))).toEqual([]);
    await expectNothingCame();
  });

  test('with any table function or engine of the engine does neither', { timeout: 600_000 }, async () => {
    // `numbers` counts, and reads nothing: the one that is let through.
    const functions = [...engineNames('table_functions')].filter((name) => !TABLE_FUNCTIONS.has(name));
    // Nor do tables of the two engines that Sluice's own have.
    const engines = [...engineNames('table_engines')].filter((name) => !TABLE_ENGINES.has(name));
    expect(functions.length).toBeGreaterThan(80);
    expect(engines.length).toBeGreaterThan(50);
    expect(await tryStatements(tableFunctionAttacks(functions, prey))).toEqual([]);
    expect(await tryStatements(tableEngineAttacks(engines, prey))).toEqual([]);
    await expectNothingCame();
  });
});

test('the store is not opened beyond this computer without TLS and a password', async () => {
  const data = path.join(directory, 'open-store');
  for (const command of [
    ['store', '--data', data, '--listen', '0.0.0.0:0'],
    ['server', '--data', data, '--store-listen', '0.0.0.0:0'],
  ]) {
    const { code, stderr } = await sluice(command);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/may not listen on 0\.0\.0\.0 without TLS and a password/),
    ]);
  }
});

test('a raw request without any of the marks of a browser still needs the secret', async () => {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    httpRequest({ host: HOST, port: storePort, path: '/?query=SELECT%201' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(403);
});
