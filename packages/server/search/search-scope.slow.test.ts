/** A scope holds whatever is asked: in the real engine, for queries of any text. */
import { create } from '@bufbuild/protobuf';
import { SluiceError } from '@sluice/base/error';
import { ANONYMOUS } from '@sluice/protocol/principal';
import { Condition } from '@sluice/query/condition';
import { textOf } from '@sluice/store/testing/ask-store';
import { CountRequestSchema, HistogramRequestSchema, SearchRequestSchema } from '@sluice/wire/gen/query_pb';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStore, type TestStore } from '../store/log-fixture.ts';
import { migrate } from '../store/migrate.ts';
import { scopeOf } from './search-scope.ts';
import { createSearchService, type SearchService } from './search-service.ts';
import { createSearchStore } from './search-store.ts';

const DAY_SECONDS = 86_400;
const START_SECONDS = 1_790_000_000;
const SERVICES = ['a', 'b', '', "a' OR '1", 'a) OR (true'];
const BODIES = ['timed out', "it's a) OR (1 -- /*", 'true', 'x'];
const IN_A = "ServiceName = 'a'";

let started: TestStore;
/** Of somebody who may see the records of service `a` only, and of somebody who may see all. */
let ofA: SearchService;
let ofAll: SearchService;
/** What was asked of the store for the former. */
const asked: { readonly sql: string; readonly readonly: unknown }[] = [];

beforeAll(async () => {
  started = await startTestStore();
  await migrate(started.client);
  const rows = SERVICES.flatMap((service, day) =>
    BODIES.map((body, number) => ({
      // Each service has days of its own, so that bounds of time tell of it too.
      Timestamp: `${START_SECONDS + day * DAY_SECONDS + number}.000000000`,
      ObservedTimestamp: `${START_SECONDS}.000000000`,
      ServiceName: service,
      Body: body,
      SeverityNumber: 1 + 4 * number,
      LogAttributes: { status: String(400 + 50 * number), service: 'a' },
      AgentId: 'agent',
      BlockEpoch: 1,
      BlockSequence: 1 + day,
      RecordNumber: number,
    })),
  );
  const columns = Object.keys(rows[0] ?? {});
  await textOf(started.directory, rows.map((row) => JSON.stringify(row)).join('\n'), {
    write: true,
    parameters: { query: `INSERT INTO otel_logs (${columns.join(', ')}) FORMAT JSONEachRow` },
  });
  ofAll = createSearchService({ store: createSearchStore(started.client) });
  ofA = createSearchService({
    store: createSearchStore({
      queryText: (sql, parameters, options) => {
        asked.push({ sql, readonly: options.settings?.readonly });
        return started.client.queryText(sql, parameters, options);
      },
    }),
    scopeOf: (principal) => ({ ...scopeOf(principal), condition: Condition.ofSql(IN_A) }),
  });
}, 60_000);
afterAll(async () => {
  await started.end();
});

const { signal } = new AbortController();

/** What the service says to a query by each way, as the records of which it speaks; undefined for no query. */
async function answersTo(
  service: SearchService,
  query: string,
): Promise<{ ids: string[]; services: string[]; count: bigint; total: bigint; days: number[] } | undefined> {
  const ids: string[] = [];
  const services: string[] = [];
  try {
    let cursor = '';
    do {
      const request = create(SearchRequestSchema, { query, limit: 7, cursor });
      const page = await service.search(request, ANONYMOUS, signal);
      ids.push(...(page.records ?? []).map(({ id }) => id ?? ''));
      services.push(...(page.records ?? []).map(({ serviceName }) => serviceName ?? ''));
      cursor = page.nextCursor ?? '';
    } while (cursor !== '');
    const { count = 0n } = await service.count(create(CountRequestSchema, { query }), ANONYMOUS, signal);
    const histogram = await service.histogram(
      create(HistogramRequestSchema, { query, buckets: 500 }),
      ANONYMOUS,
      signal,
    );
    const seconds = (histogram.buckets ?? []).map(({ startUnixNanos = 0n }) =>
      Number(startUnixNanos / 10n ** 9n),
    );
    const days = seconds.map((second) => Math.floor((second - START_SECONDS) / DAY_SECONDS));
    return { ids, services, count, total: histogram.total ?? 0n, days };
  } catch (error) {
    if (SluiceError.is(error, 'query_invalid')) return undefined;
    throw error;
  }
}

/** @returns whether it was a query */
async function checkScope(query: string): Promise<boolean> {
  asked.length = 0;
  const [mine, all] = await Promise.all([answersTo(ofA, query), answersTo(ofAll, query)]);
  if (mine === undefined || all === undefined) {
    expect(mine).toEqual(all);
    return false;
  }
  expect(mine.services.every((service) => service === 'a')).toBe(true);
  expect(mine.ids).toEqual(all.ids.filter((_id, index) => all.services[index] === 'a'));
  expect([mine.count, mine.total]).toEqual([BigInt(mine.ids.length), BigInt(mine.ids.length)]);
  // Nor does the span of its time tell of the others.
  expect(mine.days.every((day) => day === 0 || day === -1)).toBe(true);
  expect(asked.length).toBeGreaterThanOrEqual(4);
  for (const { sql, readonly } of asked) {
    expect(sql.split('FROM otel_logs WHERE ').length).toBe(2);
    expect(sql).toMatch(/WHERE ServiceName = 'a'|AND \(ServiceName = 'a'\)/);
    expect(readonly).toBe('1');
  }
  return true;
}

test.each([
  '*',
  'timed',
  'NOT timed',
  'service:b OR *',
  'service:*',
  '-service:a',
  'NOT (service:a AND timed)',
  '"a) OR (1"',
  'service:"a) OR (true"',
  'service:"a\' OR \'1" OR severity:>=trace',
  'x) OR (true',
  "' OR true -- ",
  '/.*/ OR status:>=0',
  'id:agent.1.2.0',
])('%s finds nothing outside of its scope', async (query) => {
  await checkScope(query);
});

test('nor does any other query', async () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab\'"\\()[]/-*:;|.1 '), minLength: 1, maxLength: 10 });
  const quoted = text.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  const term = fc.oneof(
    text,
    quoted,
    fc.constantFrom(...SERVICES.map((service) => `service:${JSON.stringify(service)}`)),
    fc.constantFrom('true', 'timed', 'severity:>=info', 'status:>=450', '*', 'service:*', 'service:/./'),
    quoted.map((value) => `${value}:*`),
  );
  const query = fc
    .array(
      fc.tuple(fc.constantFrom('', 'NOT ', '-', '('), term, fc.constantFrom(' ', ' OR ', ' AND ', ') OR ')),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((terms) =>
      terms
        .map((parts) => parts.join(''))
        .join('')
        .replace(/ (OR|AND) $/, ''),
    );
  let queries = 0;
  const check = async (text: string): Promise<void> => {
    if (await checkScope(text)) queries += 1;
  };
  await fc.assert(fc.asyncProperty(query, check), { numRuns: 60 });
  expect(queries).toBeGreaterThan(10);
}, 300_000);
