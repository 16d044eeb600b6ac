import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ensureSecret, writeEndpoint } from '@sluice/store/endpoint';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { BATCH_COLUMNS } from '../loader/batch-body.ts';
import { makeBatch, startTestStore, type TestStore } from './log-fixture.ts';
import { migrate } from './migrate.ts';
import { LOG_TABLE } from './schema.ts';
import { createStoreClient, type StoreClient } from './store-client.ts';
import { exceptionCodeOf } from './store-error.ts';

let started: TestStore;
let client: StoreClient;
beforeAll(async () => {
  started = await startTestStore('open');
  client = started.client;
  await migrate(client);
});
afterAll(async () => {
  await started.end();
});
beforeEach(async () => {
  await client.command(`TRUNCATE TABLE ${LOG_TABLE} SYNC`);
});

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => new Error('no error came'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error('no Error was thrown');
  return error;
}

async function count(condition = '1'): Promise<number> {
  const [row] = await client.query(`SELECT count() AS count FROM ${LOG_TABLE} WHERE ${condition}`);
  return Number(row?.count);
}

test('U14: blocks are inserted once a token, as a buffer and as a stream, also by two attempts at once', async () => {
  const zstdBody = await makeBatch(started.directory, 0, 2000);
  const insert = (body: Buffer | Readable): Promise<void> =>
    client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody: body, deduplicationToken: 'same' });
  await Promise.all([insert(zstdBody), insert(zstdBody)]);
  await insert(Readable.from([zstdBody.subarray(0, 100), zstdBody.subarray(100)]));
  expect(await count()).toBe(2000);
  await client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody, deduplicationToken: 'another' });
  expect(await count()).toBe(4000);
});

test('a batch over a midnight becomes a part a day, once', async () => {
  // A record a millisecond from midnight on: two days in records, of which the second is in another partition.
  const zstdBody = await makeBatch(started.directory, 0, 10);
  const later = await makeBatch(started.directory, 90_000_000, 10);
  const both = Buffer.concat([zstdBody, later]);
  for (let attempt = 0; attempt < 2; attempt += 1)
    await client.insertBlocks({ columns: BATCH_COLUMNS, zstdBody: both, deduplicationToken: 'midnight' });
  expect(await count()).toBe(20);
});

test('bytes that are no blocks are told from a store that cannot take them', async () => {
  const good = await makeBatch(started.directory, 0, 100);
  const insert = (zstdBody: Buffer, columns: readonly string[] = BATCH_COLUMNS): Promise<Error> =>
    errorOf(client.insertBlocks({ columns, zstdBody, deduplicationToken: `bad-${zstdBody.length}` }));
  const cut = zstdCompressSync(zstdDecompressSync(good).subarray(0, 5000));
  for (const bad of [good.subarray(0, good.length - 10), cut, Buffer.from('this is not zstd')]) {
    const error = await insert(bad);
    expect(error).toMatchObject({ code: 'block_malformed' });
  }
  const away = createStoreClient({ place: { kind: 'url', url: 'http://127.0.0.1:9' } });
  const error = await errorOf(
    away.insertBlocks({ columns: BATCH_COLUMNS, zstdBody: good, deduplicationToken: 'x' }),
  );
  expect(error).toMatchObject({ code: 'not_reachable' });
  await away.close();
  expect(await count()).toBe(0);
});

test('a store that is out of memory may be asked again', async () => {
  const error = await errorOf(
    client.query(
      'SELECT groupArray(number) FROM numbers(10000000)',
      {},
      { settings: { max_memory_usage: '1000000' } },
    ),
  );
  expect(error).toMatchObject({ code: 'store_failed', hint: expect.any(String) });
});

test('wrong queries say so, with the code of the engine', async () => {
  const error = await errorOf(client.query('SELECT no_such_column'));
  expect(error).toMatchObject({ code: 'query_invalid' });
  await expect(client.query('SELECT {x:UInt8}')).rejects.toMatchObject({ code: 'query_invalid' });
  await expect(client.query('SELECT 1', {}, { settings: { max_threads: -1 } })).rejects.toThrow();
  const caught = await client
    .query('SELECT sleep(3)', {}, { timeoutMs: 500 })
    .catch((reason: unknown) => reason);
  expect(caught).toMatchObject({ code: 'store_failed' });
  if (caught instanceof Error && 'code' in caught) expect(caught.message).toContain('TIMEOUT_EXCEEDED');
});

test('the exception code can be asked of an error', async () => {
  const { SluiceError } = await import('@sluice/base/error');
  const error = await client.query('SELECT * FROM nowhere').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SluiceError);
  if (error instanceof SluiceError) expect(exceptionCodeOf(error)).toBe(60);
});

test('rows come as a stream, and leaving it ends the query', async () => {
  let rows = 0;
  for await (const some of client.queryStream('SELECT number FROM numbers({n:UInt64})', { n: 300_000 }))
    rows += some.length;
  expect(rows).toBe(300_000);
  for await (const some of client.queryStream('SELECT number /* left */ FROM numbers(100000000000)')) {
    expect(some.length).toBeGreaterThan(0);
    break;
  }
  const running = (): Promise<unknown[]> =>
    client.query(
      "SELECT 1 FROM system.processes WHERE query LIKE '%/* left */%' AND query NOT LIKE '%processes%'",
    );
  await expect.poll(running, { timeout: 20_000 }).toEqual([]);
});

test('a query ends when its signal says so', async () => {
  const abort = new AbortController();
  const query = client.query(
    'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))',
    {},
    { signal: abort.signal },
  );
  abort.abort();
  await expect(query).rejects.toMatchObject({ code: 'not_reachable' });
});

test('a store on TLS is not asked by its directory, which tells no authority: it is said what to do', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-tls-store-'));
  writeEndpoint(directory, { kind: 'port', host: '127.0.0.1', port: 8443, tls: true });
  ensureSecret(directory);
  const byDirectory = createStoreClient({ place: { kind: 'directory', directory } });
  await expect(byDirectory.query('SELECT 1')).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('--store-url https://127.0.0.1:8443'),
  });
  await byDirectory.close();
  rmSync(directory, { recursive: true });
});
