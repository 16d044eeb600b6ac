/** The store as a process: it comes back, keeps what it acknowledged, and leaves nothing behind. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEndpoint } from './endpoint.ts';
import { type SupervisedStore, superviseStore } from './supervisor.ts';
import { OPEN_STORE_MODULE, textOf } from './testing/ask-store.ts';

const logger = pino({ level: 'silent' });
let directory: string;
let store: SupervisedStore | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-store-'));
});
afterEach(async () => {
  await store?.stop();
  store = undefined;
  rmSync(directory, { recursive: true });
});

/** Runs anything: these tests have tables of their own. */
function start(): Promise<SupervisedStore> {
  return superviseStore({ directory, module: OPEN_STORE_MODULE, logger });
}

async function run(query: string, body?: string, token = ''): Promise<string> {
  const parameters = {
    ...(body === undefined ? {} : { query }),
    ...(token === '' ? {} : { insert_deduplication_token: token }),
  };
  return await textOf(directory, body ?? query, { write: true, parameters });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function pidOf(supervised: SupervisedStore): number {
  if (supervised.pid === undefined) throw new Error('the store has no process');
  return supervised.pid;
}

async function killAndAwaitRestart(supervised: SupervisedStore): Promise<void> {
  const restarted = Promise.withResolvers<void>();
  supervised.onRestart(() => restarted.resolve());
  process.kill(pidOf(supervised), 'SIGKILL');
  await restarted.promise;
}

test('kill -9 during inserts loses nothing acknowledged, and a second try with the same token adds nothing', async () => {
  store = await start();
  await run(
    `CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a
     SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1`,
  );
  const restarted = Promise.withResolvers<void>();
  store.onRestart(() => restarted.resolve());
  const acknowledged: number[] = [];
  let next = 0;
  const insertUntilDeath = async (): Promise<number> => {
    for (;;) {
      const value = next;
      next += 1;
      try {
        await run('INSERT INTO t FORMAT CSV', `${value}\n`, `token-${value}`);
        acknowledged.push(value);
      } catch {
        return value;
      }
      if (acknowledged.length === 40 && store !== undefined) process.kill(pidOf(store), 'SIGKILL');
    }
  };
  const inDoubt = await Promise.all([insertUntilDeath(), insertUntilDeath()]);
  await restarted.promise;
  for (const value of [...acknowledged, ...inDoubt])
    await run('INSERT INTO t FORMAT CSV', `${value}\n`, `token-${value}`);
  const expected = [...acknowledged, ...inDoubt].toSorted((a, b) => a - b);
  const found = await run('SELECT a FROM t ORDER BY a FORMAT CSV');
  expect(found.trim().split('\n').map(Number)).toEqual(expected);
  expect(acknowledged.length).toBeGreaterThanOrEqual(40);
});

test('a store that was killed serves again at the same place; stop leaves no process', async () => {
  store = await start();
  const first = pidOf(store);
  await killAndAwaitRestart(store);
  expect(await run('SELECT 1')).toBe('1\n');
  const second = pidOf(store);
  expect(second).not.toBe(first);
  await store.stop();
  expect([isAlive(first), isAlive(second)]).toEqual([false, false]);
  await expect(run('SELECT 1')).rejects.toThrow();
});

test('a running query does not keep a stop from ending in order', async () => {
  store = await start();
  const long = run('SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))');
  const failed = expect(long).rejects.toThrow();
  const running = (): Promise<string> =>
    run(
      "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'",
    );
  await expect.poll(running, { timeout: 20_000 }).toBe('1\n');
  await store.stop();
  await failed;
});

test('one data directory is served by one store', async () => {
  store = await start();
  await expect(superviseStore({ directory, logger })).rejects.toMatchObject({
    code: 'already_running',
  });
});

test('a port that is taken is said by name', async () => {
  const listen = { host: '127.0.0.1', port: 0 };
  store = await superviseStore({ directory, listen, logger });
  const other = mkdtempSync(path.join(tmpdir(), 'sluice-store-'));
  const endpoint = readEndpoint(directory);
  const port = endpoint.kind === 'port' ? endpoint.port : 0;
  await expect(
    superviseStore({ directory: other, listen: { ...listen, port }, logger }),
  ).rejects.toMatchObject({
    code: 'address_in_use',
  });
  rmSync(other, { recursive: true });
});

test('kill -9 of the parent leaves no process and no lock', async () => {
  const parentFile = path.join(directory, 'parent.ts');
  const data = path.join(directory, 'data');
  const moduleUrl = pathToFileURL(path.join(import.meta.dirname, 'supervisor.ts')).href;
  writeFileSync(
    parentFile,
    `const { superviseStore } = await import(${JSON.stringify(moduleUrl)});
     const quiet = { info() {}, warn() {}, error() {} };
     const store = await superviseStore({ directory: ${JSON.stringify(data)}, logger: quiet });
     process.send({ pid: store.pid });`,
  );
  const parent = fork(parentFile, { execArgv: [] });
  const [message] = await once(parent, 'message');
  const pid = Number(message.pid);
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  store = await superviseStore({ directory: data, logger });
  expect(await textOf(data, 'SELECT 1')).toBe('1\n');
});
