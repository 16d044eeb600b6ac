import { create } from '@bufbuild/protobuf';
import { ANONYMOUS } from '@sluice/protocol/principal';
import { Condition } from '@sluice/query/condition';
import { sqlString } from '@sluice/query/sql-text';
import { queryToSql } from '@sluice/query/testing/query-to-sql';
import { textOf } from '@sluice/store/testing/ask-store';
import {
  CountRequestSchema,
  HistogramRequestSchema,
  SearchRequestSchema,
  type SearchResponse,
  SearchResponseSchema,
} from '@sluice/wire/gen/query_pb';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStore, type TestStore } from '../store/log-fixture.ts';
import { WHOLE_TABLE } from '../store/log-table.ts';
import { migrate } from '../store/migrate.ts';
import { LOG_TABLE } from '../store/schema.ts';
import type { StoreClient } from '../store/store-client.ts';
import { estimateStatement, readEstimate } from './search-cost.ts';
import { createSearchService, type SearchService } from './search-service.ts';
import { createSearchStore } from './search-store.ts';

const BASE = 1_790_000_000_000_000_000n;
const SECOND = 1_000_000_000n;

interface Row {
  readonly Body: string;
  readonly at?: bigint;
  readonly SeverityNumber?: number;
  readonly SeverityText?: string;
  readonly ServiceName?: string;
  readonly LogAttributes?: Record<string, string>;
  readonly ResourceAttributes?: Record<string, string>;
  readonly TraceId?: string;
  readonly UrgencyClass?: number;
  readonly AgentId?: string;
  readonly ObservedTimestamp?: string;
  readonly BlockEpoch?: number;
  readonly RecordOffset?: number;
}

const HOSTILE = "it's \\' -- {p:String} \u0000 \n`x` ' OR 1=1 /* ";

const ROWS: readonly Row[] = [
  {
    Body: 'Connection Timed out: user_id=5 from 10.0.0.1',
    SeverityNumber: 17,
    SeverityText: 'ERROR',
    UrgencyClass: 1,
  },
  { Body: 'timed it, then went out', SeverityNumber: 13, SeverityText: 'WARN', ServiceName: 'api' },
  {
    Body: 'timeouts happen',
    SeverityNumber: 9,
    ServiceName: 'api',
    LogAttributes: { status: '500', user: 'alice' },
  },
  { Body: 'GET /api/v1/users', LogAttributes: { status: '404', user: 'bob', empty: '' } },
  {
    Body: '数据库连接超时，正在重试',
    SeverityNumber: 21,
    ResourceAttributes: { 'host.name': 'web-1', zone: 'eu' },
  },
  {
    Body: 'ÜBERLAUF im Puffer',
    LogAttributes: { status: 'unknown' },
    TraceId: 'abcdef0123456789abcdef0123456789',
  },
  { Body: HOSTILE, LogAttributes: { [HOSTILE]: HOSTILE } },
  { Body: 'from 2005', at: 1_104_537_600n * SECOND },
];

let started: TestStore;
let service: SearchService;

async function insert(rows: readonly Row[], sequence: number): Promise<void> {
  const records = rows.map(({ at, ...columns }, index) => {
    const nanos = at ?? BASE + BigInt(index) * SECOND;
    const time = `${nanos / SECOND}.${String(nanos % SECOND).padStart(9, '0')}`;
    return {
      Timestamp: time,
      ObservedTimestamp: `${BASE / SECOND}.000000000`,
      AgentId: 'agent.one',
      BlockEpoch: 7,
      BlockSequence: sequence,
      RecordNumber: index,
      ...columns,
    };
  });
  const columns = [...new Set(records.flatMap(Object.keys))];
  await textOf(started.directory, records.map((record) => JSON.stringify(record)).join('\n'), {
    write: true,
    parameters: { query: `INSERT INTO ${LOG_TABLE} (${columns.join(', ')}) FORMAT JSONEachRow` },
  });
}

beforeAll(async () => {
  started = await startTestStore();
  await migrate(started.client);
  await insert(ROWS, 1);
  service = createSearchService({ store: createSearchStore(started.client) });
}, 60_000);
afterAll(async () => {
  await started.end();
});

const signal = new AbortController().signal;

async function numbers(query: string): Promise<number[]> {
  const found = await service.search(
    create(SearchRequestSchema, { query: `agent:agent.one (${query})`, limit: 100 }),
    ANONYMOUS,
    signal,
  );
  return (found.records ?? []).map((record) => Number(record.id?.split('.').at(-1))).sort((a, b) => a - b);
}

test.each<readonly [query: string, records: readonly number[]]>([
  ['*', [0, 1, 2, 3, 4, 5, 6, 7]],
  ['timed', [0, 1]],
  ['TIMED', [0, 1]],
  ['timeout', []],
  ['"timed out"', [0]],
  ['timed out', [0, 1]],
  ['-timed', [2, 3, 4, 5, 6, 7]],
  ['NOT (timed OR from)', [2, 3, 4, 5, 6]],
  ['time*', [0, 1, 2]],
  ['*outs', [2]],
  ['t*outs', [2]],
  ['10.0.0.1', [0]],
  ['0.0.1', [0]],
  ['user_id', [0]],
  ['/api/v1', [3]],
  ['/api/v', []],
  ['/api/v1/users', [3]],
  ['"GET /api"', [3]],
  ['/v\\d\\/users$/', [3]],
  ['/(?i)get/', [3]],
  ['超时', [4]],
  ['"连接超时"', [4]],
  ['超*重试', [4]],
  ['überlauf', [5]],
  ['über*', [5]],
  ['severity:error', [0]],
  ['severity:>=warn', [0, 1, 4]],
  ['severity:<warn', [2]],
  ['severity:info..warn', [1, 2]],
  ['severity:17', [0]],
  ['severity:unspecified', [3, 5, 6, 7]],
  ['service:api', [1, 2]],
  ['service:*', [1, 2]],
  ['host:web-1', [4]],
  ['host:web*', [4]],
  ['zone:eu', [4]],
  ['resource.zone:eu', [4]],
  ['attributes.zone:eu', []],
  ['status:>=500', [2]],
  ['-status:>=500', [0, 1, 3, 4, 5, 6, 7]],
  ['status:400..499', [3]],
  ['status:[400 TO *]', [2, 3]],
  ['status:*', [2, 3, 5]],
  ['status:4*', [3]],
  ['status:(404 OR 500)', [2, 3]],
  ['user:ali*', [2]],
  ['user:/^b/', [3]],
  ['empty:""', [3]],
  ['empty:*', [3]],
  ['trace:ABCDEF0123456789abcdef0123456789', [5]],
  ['urgency:urgent', [0]],
  ['id:agent.one.7.1.3', [3]],
  ['body:timed', [0, 1]],
  ['from AND timed OR 超时', [0, 4]],
])('the store finds %s', async (query, records) => {
  expect(await numbers(query)).toEqual(records);
});

test('a hostile text is found as itself and changes nothing else', async () => {
  const quoted = `"${HOSTILE.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  expect(await numbers(`${quoted}:${quoted}`)).toEqual([6]);
});

test('whatever a value is, the engine reads back the same value', async () => {
  const texts = fc.sample(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom("'", '\\', '\0', '\n', '`', '"', '{', '}', '-', '%', 'x', 'é', '😀'),
      }),
    ),
    400,
  );
  const hex = texts.map((text) => `hex(${sqlString(text)})`).join(', ');
  const answer = await started.client.queryText(`SELECT [${hex}]`, {}, { format: 'JSONCompactEachRow' });
  expect(JSON.parse(answer)[0]).toEqual(texts.map((text) => Buffer.from(text).toString('hex').toUpperCase()));
});

test('words and attributes are answered by indexes', async () => {
  const explained = async (query: string): Promise<string> =>
    await started.client.queryText(
      `EXPLAIN indexes = 1 SELECT count() FROM ${LOG_TABLE} WHERE ${queryToSql(query)}`,
      {},
      { format: 'TabSeparatedRaw' },
    );
  expect(await explained('timed')).toContain('body_words');
  expect(await explained('"timed out"')).toContain('body_words');
  expect(await explained('status:500')).toContain('log_attribute_values');
});

test('pages repeat and miss nothing, also among equal times and while records arrive', async () => {
  const count = 57;
  const rows = Array.from({ length: count }, (_, index) => ({
    Body: 'page',
    AgentId: index % 2 === 0 ? 'pager-a' : 'pager-b',
    // Groups of equal times; some of them years before.
    at: BASE - BigInt(index % 5) * 40_000_000n * SECOND,
  }));
  await insert(rows.slice(0, 30), 50);
  await insert(rows.slice(30), 51);
  const ids: string[] = [];
  let cursor = '';
  do {
    const page = await service.search(
      create(SearchRequestSchema, { query: 'agent:pager*', limit: 4, cursor }),
      ANONYMOUS,
      signal,
    );
    const records = page.records ?? [];
    ids.push(...records.map((record) => `${record.timestampUnixNanos} ${record.id}`));
    cursor = page.nextCursor ?? '';
    // News are newer than where the reader is.
    if (ids.length === 8) await insert([{ Body: 'page', AgentId: 'pager-new', at: BASE + 5n * SECOND }], 60);
  } while (cursor !== '');
  expect(new Set(ids).size).toBe(count);
  expect(ids).toHaveLength(count);
  const times = ids.map((id) => BigInt(id.split(' ')[0] ?? 0));
  expect(times).toEqual([...times].sort((a, b) => (a < b ? 1 : a > b ? -1 : 0)));
});

test('a page of very long records ends early and goes on with the next one', async () => {
  await started.client.command(
    `INSERT INTO ${LOG_TABLE} (Timestamp, ObservedTimestamp, AgentId, RecordNumber, Body) ` +
      "SELECT toDateTime64('2020-01-01 00:00:00', 9), now64(9), 'long', number, repeat('xxxxxx', 1000000) FROM numbers(5)",
  );
  const sizes: number[] = [];
  let cursor = '';
  do {
    const page = await service.search(
      create(SearchRequestSchema, { query: 'agent:long', cursor }),
      ANONYMOUS,
      signal,
    );
    sizes.push(page.records?.length ?? 0);
    cursor = page.nextCursor ?? '';
  } while (cursor !== '');
  expect(sizes).toEqual([3, 2]);
});

test('a record comes back whole', async () => {
  const found = await service.search(
    create(SearchRequestSchema, { query: 'id:agent.one.7.1.4' }),
    ANONYMOUS,
    signal,
  );
  expect((found as SearchResponse).records).toMatchObject([
    {
      id: 'agent.one.7.1.4',
      timestampUnixNanos: BASE + 4n * SECOND,
      hostName: 'web-1',
      severityNumber: 21,
      body: '数据库连接超时，正在重试',
      resource: { 'host.name': 'web-1', zone: 'eu' },
    },
  ]);
  expect(found.nextCursor).toBe('');
});

test('a range includes its start and excludes its end', async () => {
  const range = { startUnixNanos: BASE, endUnixNanos: BASE + 2n * SECOND };
  const query = 'agent:agent.one';
  const { count } = await service.count(create(CountRequestSchema, { query, range }), ANONYMOUS, signal);
  expect(count).toBe(2n);
  const empty = { startUnixNanos: BASE, endUnixNanos: BASE };
  expect(
    (await service.count(create(CountRequestSchema, { query, range: empty }), ANONYMOUS, signal)).count,
  ).toBe(0n);
  expect(
    (await service.search(create(SearchRequestSchema, { query, range: empty }), ANONYMOUS, signal)).records,
  ).toEqual([]);
});

test('a histogram has all buckets, by severity, and adds up', async () => {
  const query = 'agent:agent.one';
  const range = { startUnixNanos: BASE, endUnixNanos: BASE + 10n * SECOND };
  const answer = await service.histogram(
    create(HistogramRequestSchema, { query, range, buckets: 10 }),
    ANONYMOUS,
    signal,
  );
  expect(answer.stepNanos).toBe(SECOND);
  expect(answer.buckets).toHaveLength(10);
  expect(answer.total).toBe(7n);
  expect(answer.buckets?.[0]).toMatchObject({ startUnixNanos: BASE, error: 1n, info: 0n });
  expect(answer.buckets?.[4]).toMatchObject({ fatal: 1n });
  const open = await service.histogram(
    create(HistogramRequestSchema, { query, buckets: 50 }),
    ANONYMOUS,
    signal,
  );
  expect(open.total).toBe(8n);
  expect(open.buckets?.length).toBeLessThanOrEqual(50);
});

test('a regular expression that the engine refuses is the mistake of the query, with its place', async () => {
  const asked = service.search(create(SearchRequestSchema, { query: 'a /(x/' }), ANONYMOUS, signal);
  await expect(asked).rejects.toMatchObject({ code: 'query_invalid', position: 2 });
  await expect(asked).rejects.toMatchObject({ code: 'query_invalid' });
});

test('limits and cursors are checked', async () => {
  const search = (fields: { limit?: number; cursor?: string }): Promise<unknown> =>
    service.search(create(SearchRequestSchema, fields), ANONYMOUS, signal);
  await expect(search({ limit: 10_001 })).rejects.toMatchObject({ code: 'limit_exceeded' });
  await expect(search({ cursor: 'bm90IG9uZQ' })).rejects.toMatchObject({ code: 'query_invalid' });
});

test('a caller that went away ends the search', async () => {
  const gone = AbortSignal.abort();
  await expect(service.count(create(CountRequestSchema, {}), ANONYMOUS, gone)).rejects.toMatchObject({
    message: expect.stringContaining('cancelled'),
  });
});

test('the SQL of a page is the text that was run: run again, it gives the same records', async () => {
  const query = 'agent:agent.one timed';
  const statements: string[] = [];
  const recording: Pick<StoreClient, 'queryText'> = {
    queryText: (sql, parameters, options) => {
      statements.push(sql);
      return started.client.queryText(sql, parameters, options);
    },
  };
  const recorded = createSearchService({ store: createSearchStore(recording, 1) });
  const found = await recorded.search(create(SearchRequestSchema, { query, limit: 5 }), ANONYMOUS, signal);
  const shown = (found.sql ?? '').split(';\n');
  // On a slow machine the page may be made again in a second turn: what is shown gave the answer.
  expect(shown.map((text) => text.replace(/ \/\* SETTINGS .*$/, ''))).toEqual(
    statements.slice(-shown.length),
  );
  expect(shown.every((text) => / \/\* SETTINGS max_execution_time = \d.* \*\/$/.test(text))).toBe(true);
  const bodies: string[] = [];
  for (const text of shown.map((statement) => statement.replace(/ \/\* SETTINGS .*$/, ''))) {
    const answer = await started.client.queryText(text, {}, { format: 'JSONCompactEachRow' });
    bodies.push(answer);
  }
  for (const record of found.records ?? []) expect(bodies.join('\n')).toContain(JSON.stringify(record.body));
  expect(found.records).toHaveLength(2);
});

test('a search id is bounded', async () => {
  const asked = service.count(create(CountRequestSchema, { searchId: 'x'.repeat(65) }), ANONYMOUS, signal);
  await expect(asked).rejects.toMatchObject({ code: 'query_invalid' });
});

test('the store says how many rows a search would read, also for a heavy turn', async () => {
  const store = createSearchStore(started.client, 1);
  const options = { asker: 'token', timeoutMs: 10_000, waitMs: 10_000, weight: 'heavy', signal } as const;
  const rows = await store.rows(
    estimateStatement(WHOLE_TABLE, Condition.ofSql("Body LIKE '%timed%'")),
    options,
  );
  expect(readEstimate(rows, 'scan').expectedMs).toBeGreaterThan(0);
  const old = Condition.ofSql("Timestamp < toDateTime64('1990-01-01', 9)");
  const none = await store.rows(estimateStatement(WHOLE_TABLE, old), options);
  expect(readEstimate(none, 'scan')).toEqual({ weight: 'light', expectedMs: 0 });
});

/** Sets of records that are tried. */
const DRAWS = 4;

test('records of one time stand as in their file, the last first, over any pages', async () => {
  // Few values each, so that they meet in all ways; blocks do not follow the order of the file.
  const row = fc.record({
    at: fc.nat(2).map((second) => BASE - 1_000_000n * SECOND + BigInt(second) * SECOND),
    read: fc.nat(1),
    offset: fc.nat(40),
    agent: fc.constantFrom('order.one', 'order.two'),
  });
  const unique = fc.uniqueArray(row, {
    minLength: 60,
    maxLength: 90,
    selector: ({ at, read, offset, agent }) => `${at} ${read} ${offset} ${agent}`,
  });
  for (const [draw, drawn] of fc.sample(unique, DRAWS).entries()) await expectLastFirst(draw, drawn);
});

interface Drawn {
  readonly at: bigint;
  readonly read: number;
  readonly offset: number;
  readonly agent: string;
}

async function expectLastFirst(draw: number, drawn: readonly Drawn[]): Promise<void> {
  await insert(
    drawn.map(({ at, read, offset, agent }, index) => ({
      at,
      AgentId: `${agent}${draw}`,
      ObservedTimestamp: `${BASE / SECOND}.00000000${read}`,
      RecordOffset: offset,
      BlockEpoch: (index * 7) % 5,
      Body: `${at} ${agent} ${read} ${offset}`,
    })),
    (drawn.length * 3) % 7,
  );
  const lastFirst = drawn
    .toSorted(
      (a, b) =>
        Number(b.at - a.at) ||
        (a.agent < b.agent ? 1 : -1) * Number(a.agent !== b.agent) ||
        b.read - a.read ||
        b.offset - a.offset,
    )
    .map(({ at, agent, read, offset }) => `${at} ${agent} ${read} ${offset}`);
  for (const limit of [11, 1000]) {
    const bodies: string[] = [];
    let cursor = '';
    do {
      const page: SearchResponse = create(
        SearchResponseSchema,
        await service.search(
          create(SearchRequestSchema, { query: `agent:order*${draw}`, limit, cursor }),
          ANONYMOUS,
          signal,
        ),
      );
      bodies.push(...page.records.map(({ body }) => body));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(bodies).toEqual(lastFirst);
  }
}
