/** The contract of the HTTP interface, held against the real client and plain requests. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreAgent } from './endpoint.ts';
import { ACCESS_HEADER } from './store-request.ts';
import { type SupervisedStore, superviseStore } from './supervisor.ts';
import { askAnyway, OPEN_STORE_MODULE, type StoreAnswer, type StoreQuestion } from './testing/ask-store.ts';

/** Headers carry ASCII only, so this is as odd as a password may be that every way of giving one can carry. */
const PASSWORD = "s3cret'&+%C3 \\x";
const ACCESS = { 'X-ClickHouse-User': 'sluice', 'X-ClickHouse-Key': PASSWORD };
let directory: string;
let store: SupervisedStore;
let client: ClickHouseClient;
let agent: StoreAgent;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-store-'));
  store = await superviseStore({
    directory,
    module: OPEN_STORE_MODULE,
    user: 'sluice',
    password: PASSWORD,
    logger: pino({ level: 'silent' }),
  });
  agent = new StoreAgent(directory, 16);
  client = createClient({
    url: 'http://localhost',
    http_agent: agent,
    http_headers: { [ACCESS_HEADER]: 'write' },
    username: 'sluice',
    password: PASSWORD,
    log: { level: 127 },
  });
});
afterAll(async () => {
  await client.close();
  agent.destroy();
  await store.stop();
  rmSync(directory, { recursive: true });
});

/** Asks with the password, as one that may write. */
function ask(
  query: string,
  question: StoreQuestion = {},
  parameters: Record<string, string> = {},
): Promise<StoreAnswer> {
  return askAnyway(directory, {
    ...question,
    parameters: { query, ...parameters },
    headers: { ...ACCESS, [ACCESS_HEADER]: 'write', ...question.headers },
  });
}

async function rowsOf(query: string): Promise<unknown[]> {
  const result = await client.query({ query, format: 'JSONEachRow' });
  return await result.json();
}

async function freshTable(name: string): Promise<void> {
  await client.command({ query: `DROP TABLE IF EXISTS ${name} SYNC` });
  await client.command({
    query: `CREATE TABLE ${name} (a UInt64, b String) ENGINE = MergeTree ORDER BY a
      SETTINGS non_replicated_deduplication_window = 100`,
  });
}

describe('the client', () => {
  test('pings', async () => {
    expect(await client.ping()).toEqual({ success: true });
  });

  test('of the queries of searches that run the engine lets the light go first, and knows no order among others', async () => {
    const orderOf = async (headers: Record<string, string>): Promise<unknown> => {
      const answer = await ask("SELECT getSetting('priority')", { headers });
      return answer.text.trim();
    };
    expect(await orderOf({ 'X-Sluice-Turn': 'search light 1000' })).toBe('1');
    expect(await orderOf({ 'X-Sluice-Turn': 'search heavy 1000' })).toBe('2');
    expect(await orderOf({})).toBe('0');
  });

  test('is told when it asks for a turn that there is not, or names nobody', async () => {
    for (const headers of [{ 'X-Sluice-Turn': 'search soon' }, { 'X-Sluice-Asker': '%zz' }]) {
      const answer = await ask('SELECT 1', { headers });
      expect([answer.status, answer.headers['x-clickhouse-exception-code']]).toEqual([400, '36']);
    }
  });

  test('inserts rows and streams, and queries them in several formats', async () => {
    await freshTable('t');
    await client.insert({ table: 't', values: [{ a: 1, b: 'x' }], format: 'JSONEachRow' });
    await client.insert({
      table: 't',
      values: Readable.from(['2,"y"\n', '3,"z"\n'], { objectMode: false }),
      format: 'CSV',
    });
    expect(await rowsOf('SELECT * FROM t ORDER BY a')).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
      { a: 3, b: 'z' },
    ]);
    const whole = await client.query({ query: 'SELECT sum(a) AS total FROM t', format: 'JSON' });
    expect(await whole.json()).toMatchObject({ data: [{ total: 6 }], rows: 1 });
  });

  test.each([
    ['quotes \' " `'],
    ['back\\slash \\n \\'],
    ['line\nbreak\ttab\0nul'],
    ["'); DROP TABLE t; --"],
    ['日志 ü 😀'],
  ])('binds %j as it is', async (value) => {
    const result = await client.query({
      query: 'SELECT {value:String} AS value, {list:Array(String)} AS list, {n:UInt64} AS n',
      query_params: { value, list: [value, ''], n: 7 },
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual([{ value, list: [value, ''], n: 7 }]);
  });

  test('many queries at once see their own parameters and settings only', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const result = await client.query({
          query: "SELECT {n:UInt32} AS n, getSetting('max_block_size') AS size",
          query_params: { n },
          clickhouse_settings: { max_block_size: String(1000 + n) },
          format: 'JSONEachRow',
        });
        return await result.json();
      }),
    );
    expect(answers).toEqual(answers.map((_, n) => [{ n, size: 1000 + n }]));
    const later = ask('SELECT {n:UInt32}');
    expect((await later).text).toContain('Code: 456.');
  });

  test('gets an error with the code and the type of the engine', async () => {
    const wrong = client.query({ query: 'SELECT * FROM nothing_here', format: 'JSONEachRow' });
    await expect(wrong).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
    const limited = client.query({
      query: 'SELECT sleep(3)',
      clickhouse_settings: { max_execution_time: 1 },
    });
    await expect(limited).rejects.toMatchObject({ code: '159', type: 'TIMEOUT_EXCEEDED' });
  });

  test('with a wrong password is refused', async () => {
    const stranger = createClient({
      url: 'http://localhost',
      http_agent: agent,
      username: 'sluice',
      password: 'guess',
      log: { level: 127 },
    });
    await expect(stranger.query({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516' });
    await stranger.close();
  });
});

describe('bodies', () => {
  test('of concatenated zstd frames are inserted whole, once a token', async () => {
    await freshTable('t');
    const frame = async (from: number): Promise<Buffer> => {
      const answer = await ask(`SELECT number + ${from} AS a, 'n' AS b FROM numbers(500) FORMAT Native`);
      return zstdCompressSync(answer.bytes);
    };
    const body = Buffer.concat([await frame(0), await frame(500), await frame(1000)]);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const answer = await ask(
        'INSERT INTO t (a, b) FORMAT Native',
        { body, headers: { 'Content-Encoding': 'zstd' } },
        { insert_deduplication_token: 'once' },
      );
      expect(answer.text).toBe('');
      expect(answer.status).toBe(200);
    }
    expect(await rowsOf('SELECT count() AS c, max(a) AS m FROM t')).toEqual([{ c: 1500, m: 1499 }]);
    expect(readdirSync(path.join(directory, 'incoming'))).toEqual([]);
  });

  test('that are gzip, inline, or split between URL and body', async () => {
    await freshTable('t');
    const gzip = { body: gzipSync('{"a":1,"b":"x"}\n'), headers: { 'Content-Encoding': 'gzip' } };
    expect((await ask('INSERT INTO t FORMAT JSONEachRow', gzip)).status).toBe(200);
    expect((await ask('', { body: "INSERT INTO t VALUES (2, 'FORMAT CSV')" })).status).toBe(200);
    expect((await ask('INSERT INTO t FORMAT CSV', { body: '3,q\n4,r\n' })).status).toBe(200);
    expect((await ask('SELECT a FROM t', { body: 'ORDER BY a FORMAT CSV' })).status).toBe(200);
    const answer = await ask('SELECT a, b FROM t', { body: 'ORDER BY a FORMAT CSV' });
    expect(answer.text).toBe('1,"x"\n2,"FORMAT CSV"\n3,"q"\n4,"r"\n');
  });

  test('that are damaged insert nothing and say so', async () => {
    await freshTable('t');
    const body = zstdCompressSync(Buffer.from('\x02\x05 this is no block'));
    for (const damaged of [body, body.subarray(0, 12)]) {
      const answer = await ask('INSERT INTO t FORMAT Native', {
        body: damaged,
        headers: { 'Content-Encoding': 'zstd' },
      });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(Number(answer.headers['x-clickhouse-exception-code'])).toBeGreaterThan(0);
      expect(answer.text).toMatch(/^Code: \d+\. DB::Exception: /);
    }
    expect(await rowsOf('SELECT count() AS c FROM t')).toEqual([{ c: 0 }]);
  });
});

describe('answers', () => {
  test('of a hundred megabytes are streamed', async () => {
    const answer = await ask("SELECT number, repeat('x', 100) FROM numbers(1000000) FORMAT TSV");
    const digits = Array.from({ length: 1_000_000 }, (_, n) => String(n).length).reduce((a, b) => a + b);
    // The number, a tab, 100 letters and a line feed.
    expect(answer.bytes.length).toBe(digits + 1_000_000 * 102);
  });

  test('are compressed when asked for', async () => {
    const answer = await ask(
      'SELECT number FROM numbers(1000)',
      { headers: { 'Accept-Encoding': 'gzip' } },
      { enable_http_compression: '1' },
    );
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(answer.bytes).toString('utf8').split('\n')).toHaveLength(1001);
  });

  test('name their format and the query', async () => {
    const answer = await ask('SELECT 1', {}, { default_format: 'JSONCompact', query_id: 'mine' });
    expect(answer.headers['x-clickhouse-format']).toBe('JSONCompact');
    expect(answer.headers['x-clickhouse-query-id']).toBe('mine');
    expect(JSON.parse(String(answer.headers['x-clickhouse-summary']))).toHaveProperty('read_rows');
    expect(JSON.parse(answer.text)).toMatchObject({ data: [[1]] });
  });

  test('that fail after they began are broken off', async () => {
    const answer = ask('SELECT throwIf(number = 3000000) FROM numbers(4000000) FORMAT TSV');
    await expect(answer).rejects.toThrow();
  });

  test('whose client goes away end in the engine too', async () => {
    const abort = new AbortController();
    const query =
      'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) -- to be left';
    const left = ask(`${query}\nFORMAT JSON`, { signal: abort.signal });
    const running = (): Promise<unknown[]> =>
      rowsOf(
        "SELECT query FROM system.processes WHERE query LIKE '%to be left%' AND query NOT LIKE '%processes%'",
      );
    await expect.poll(running, { timeout: 20_000 }).toHaveLength(1);
    abort.abort();
    await expect(left).rejects.toThrow();
    await expect.poll(running, { timeout: 20_000 }).toHaveLength(0);
  });
});

test('requests without the password are refused, whatever the way to give one', async () => {
  const basic = (text: string): Record<string, string> => ({ Authorization: `Basic ${btoa(text)}` });
  const asked: StoreQuestion[] = [
    {},
    { headers: basic('sluice:x') },
    { headers: { 'X-ClickHouse-User': 'sluice', 'X-ClickHouse-Key': '' } },
    { headers: { 'X-ClickHouse-Key': PASSWORD } },
    // Not in a URL, where it would be kept and shown.
    { parameters: { user: 'sluice', password: PASSWORD } },
    { headers: basic(`sluice:${PASSWORD}`) },
  ];
  const statuses = [];
  for (const question of asked)
    statuses.push((await askAnyway(directory, { ...question, body: 'SELECT 1' })).status);
  expect(statuses).toEqual([403, 403, 403, 403, 403, 200]);
});
