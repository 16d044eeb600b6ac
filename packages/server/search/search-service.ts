/**
 * Search, count and histogram over the log table.
 *
 * Invariants: a page looks at windows of time from the newest backwards that grow, so that the first page of a large
 * table is quick and a rare word is still found in its oldest corner; every query has a deadline, a memory bound and
 * the caller's signal; pages follow the total order of cursor.ts.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { SluiceError } from '@sluice/protocol/error';
import type { QueryNode } from '@sluice/query/ast';
import { parseQuery } from '@sluice/query/parse';
import { QueryError } from '@sluice/query/query-error';
import { regexTerms } from '@sluice/query/regex-terms';
import { toSql } from '@sluice/query/to-sql';
import type {
  CountRequest,
  CountResponseSchema,
  HistogramRequest,
  HistogramResponseSchema,
  SearchRequest,
  SearchResponseSchema,
} from '@sluice/wire/gen/query_pb';
import { z } from 'zod';
import { behindSql, readCursor, SEARCH_ORDER, writeCursor } from './cursor.ts';
import { type HiddenCopies, NOTHING_HIDDEN } from './hidden-copies.ts';
import { fillBuckets, histogramSql } from './histogram.ts';
import {
  DEFAULT_BUCKETS,
  DEFAULT_PAGE_RECORDS,
  FIRST_WINDOW_NANOS,
  MAX_BUCKETS,
  MAX_PAGE_BYTES,
  MAX_PAGE_RECORDS,
  SEARCH_TIMEOUT_MS,
  WINDOW_GROWTH,
} from './limits.ts';
import { type FoundRecord, RECORD_BYTES, RECORD_COLUMNS, RECORD_VALUES, readRow } from './record-row.ts';
import { type SearchStore, SearchTimeout } from './search-store.ts';
import { isEmpty, type NanosRange, nanosRange, rangeSql } from './time-range.ts';
import { bucketsFor } from './time-steps.ts';

export interface SearchService {
  /** @throws SluiceError; a mistake in the query is a QueryError with its position */
  readonly search: (
    request: SearchRequest,
    signal: AbortSignal,
  ) => Promise<MessageInitShape<typeof SearchResponseSchema>>;
  readonly count: (
    request: CountRequest,
    signal: AbortSignal,
  ) => Promise<MessageInitShape<typeof CountResponseSchema>>;
  readonly histogram: (
    request: HistogramRequest,
    signal: AbortSignal,
  ) => Promise<MessageInitShape<typeof HistogramResponseSchema>>;
}

export interface SearchServiceOptions {
  readonly store: SearchStore;
  /** The log table's name, qualified when needed. Default `otel_logs`. */
  readonly table?: string;
  /** Default {@link SEARCH_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** Second copies of moved blocks. Default: there are none. */
  readonly hidden?: HiddenCopies;
  /** Default: the time of day in ms. */
  readonly now?: () => number;
}

export function createSearchService(options: SearchServiceOptions): SearchService {
  const { store, table = 'otel_logs', timeoutMs = SEARCH_TIMEOUT_MS } = options;
  const { hidden = NOTHING_HIDDEN, now = Date.now } = options;

  /** Runs the queries of one request under one deadline; errors of the engine in `query` point at their place. */
  function run(query: QueryNode, signal: AbortSignal): Rows {
    const deadlineMs = now() + timeoutMs;
    return async (sql) => {
      const leftMs = deadlineMs - now();
      if (leftMs <= 0) throw new SearchTimeout();
      try {
        return await store.rows(sql, leftMs, signal);
      } catch (error) {
        throw pointed(error, query);
      }
    };
  }

  /** Oldest and newest event time in the range, as a closed range; undefined when there is nothing. */
  async function boundsOf(rows: Rows, range: NanosRange): Promise<Bounds | undefined> {
    if (isEmpty(range)) return undefined;
    const [row] = await rows(
      'SELECT toString(toUnixTimestamp64Nano(min(Timestamp))), toString(toUnixTimestamp64Nano(max(Timestamp))), ' +
        `toString(count()) FROM ${table} WHERE ${rangeSql(range)}`,
    );
    const [oldest, newest, count] = BOUNDS.parse(row);
    return count === '0' ? undefined : { start: BigInt(oldest), end: BigInt(newest) + 1n };
  }

  /** The newest records of the range, and whether there are more. */
  async function pageOf(rows: Rows, range: NanosRange, where: string, limit: number): Promise<FoundPage> {
    const found: FoundRecord[] = [];
    let bytes = 0;
    const bounds = await boundsOf(rows, range);
    for (const window of bounds === undefined ? [] : windowsOf(bounds)) {
      const wanted = limit - found.length;
      // One more than wanted tells whether there is another page.
      const page = await rows(pageSql(table, `${rangeSql(window)} AND ${where}`, wanted + 1));
      const matched = Number(page[0]?.at(-1) ?? 0);
      const taken = page.slice(0, wanted).map(readRow);
      found.push(...taken);
      bytes += taken.reduce((sum, { record }) => sum + (record.body?.length ?? 0), 0);
      if (matched > taken.length || bytes > MAX_PAGE_BYTES) return { found, more: true };
    }
    return { found, more: false };
  }

  return {
    search: async (request, signal) => {
      const startedMs = now();
      const query = parseQuery(request.query);
      const condition = toSql(query);
      const limit = boundedNumber('limit', request.limit, DEFAULT_PAGE_RECORDS, MAX_PAGE_RECORDS);
      const after = request.cursor === '' ? undefined : readCursor(request.cursor);
      const asked = nanosRange(request.range);
      const end =
        after === undefined || (asked.end !== undefined && asked.end <= after.timestampNanos)
          ? asked.end
          : after.timestampNanos + 1n;
      const where = after === undefined ? condition : `${condition} AND ${behindSql(after)}`;
      const rows = run(query, signal);
      const { found, more } = await hidden.answer((hiding) =>
        pageOf(rows, { start: asked.start, end }, where + hiding, limit),
      );
      const last = found.at(-1);
      return {
        records: found.map(({ record }) => record),
        nextCursor: more && last !== undefined ? writeCursor(last.place) : '',
        sql: `SELECT * FROM ${table} WHERE ${rangeSql(asked)} AND ${where} ORDER BY ${SEARCH_ORDER} LIMIT ${limit}`,
        elapsedMs: BigInt(Math.round(now() - startedMs)),
      };
    },

    count: async (request, signal) => {
      const startedMs = now();
      const query = parseQuery(request.query);
      const condition = toSql(query);
      const range = nanosRange(request.range);
      const rows = run(query, signal);
      const [row] = isEmpty(range)
        ? [['0']]
        : await hidden.answer((hiding) =>
            rows(`SELECT toString(count()) FROM ${table} WHERE ${rangeSql(range)} AND ${condition}${hiding}`),
          );
      return {
        count: BigInt(z.tuple([z.string()]).parse(row)[0]),
        elapsedMs: BigInt(Math.round(now() - startedMs)),
      };
    },

    histogram: async (request, signal) => {
      const startedMs = now();
      const query = parseQuery(request.query);
      const condition = toSql(query);
      const wanted = boundedNumber('buckets', request.buckets, DEFAULT_BUCKETS, MAX_BUCKETS);
      const asked = nanosRange(request.range);
      const rows = run(query, signal);
      const bounds =
        asked.start !== undefined && asked.end !== undefined ? undefined : await boundsOf(rows, asked);
      const start = asked.start ?? bounds?.start;
      const end = asked.end ?? bounds?.end;
      if (start === undefined || end === undefined || start >= end) {
        return { startUnixNanos: asked.start ?? 0n, stepNanos: 0n, buckets: [], total: 0n };
      }
      const buckets = bucketsFor(start, end, wanted);
      const counted = await hidden.answer((hiding) =>
        rows(histogramSql(table, `${rangeSql({ start, end })} AND ${condition}${hiding}`, buckets)),
      );
      return { ...fillBuckets(buckets, counted), elapsedMs: BigInt(Math.round(now() - startedMs)) };
    },
  };
}

interface FoundPage {
  readonly found: readonly FoundRecord[];
  readonly more: boolean;
}

type Rows = (sql: string) => Promise<readonly unknown[][]>;

interface Bounds {
  readonly start: bigint;
  readonly end: bigint;
}

const BOUNDS = z.tuple([z.string(), z.string(), z.string()]);

/** An error that the engine has with a regular expression, at that expression's place in the query. */
function pointed(error: unknown, query: QueryNode): unknown {
  if (!(error instanceof SluiceError) || error.code !== 'query_invalid') return error;
  const regexes = regexTerms(query);
  const term = regexes.find(({ pattern }) => error.message.includes(pattern)) ?? regexes[0];
  return term === undefined ? error : new QueryError(error.message, term.position);
}

/** The range cut into windows, newest first, each longer than the one before. */
export function* windowsOf(bounds: Bounds): Generator<Bounds, void, void> {
  let { end } = bounds;
  let length = FIRST_WINDOW_NANOS;
  while (end > bounds.start) {
    const covered = end - bounds.start;
    const window = { start: length < covered ? end - length : bounds.start, end };
    yield window;
    end = window.start;
    length *= WINDOW_GROWTH;
  }
}

/** A page, newest first; the last value of each row is how many rows there are without the bound on bytes. */
function pageSql(table: string, where: string, limit: number): string {
  return (
    `SELECT ${RECORD_VALUES}, matched FROM (` +
    `SELECT *, count() OVER () AS matched, sum(bytes) OVER (ORDER BY ${SEARCH_ORDER} ROWS UNBOUNDED PRECEDING) AS sent FROM (` +
    `SELECT ${RECORD_COLUMNS}, ${RECORD_BYTES} AS bytes FROM ${table} WHERE ${where} ORDER BY ${SEARCH_ORDER} LIMIT ${limit})) ` +
    `WHERE sent - bytes < ${MAX_PAGE_BYTES} ORDER BY ${SEARCH_ORDER}`
  );
}

function boundedNumber(name: string, value: number, whenAbsent: number, most: number): number {
  if (value > most) {
    throw new SluiceError('limit_exceeded', `${name} is ${value}; expected at most ${most}`);
  }
  return value === 0 ? whenAbsent : value;
}
