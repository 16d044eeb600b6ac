/**
 * Search, count and histogram over the log table.
 *
 * Invariants: nothing is asked of the table without a turn (search-turns.ts); every query has its turn's deadline, a memory
 * bound and the caller's signal; pages follow the total order of cursor.ts.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import type { QueryNode } from '@sluice/query/ast';
import { costClassOf } from '@sluice/query/cost-class';
import { parseQuery } from '@sluice/query/parse';
import { queryError } from '@sluice/query/query-error';
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
import { behindSql, readCursor, writeCursor } from './cursor.ts';
import { type HiddenCopies, NOTHING_HIDDEN } from './hidden-copies.ts';
import { fillBuckets, histogramSql } from './histogram.ts';
import {
  DEFAULT_BUCKETS,
  DEFAULT_PAGE_RECORDS,
  ESTIMATE_TIMEOUT_MS,
  MAX_BUCKETS,
  MAX_PAGE_RECORDS,
  MAX_SEARCH_ID_LENGTH,
  MIN_PATIENCE_MS,
  searchTurnsLimits,
} from './limits.ts';
import { estimateSql, guessWeight, readEstimate } from './search-cost.ts';
import { searchTimeout } from './search-errors.ts';
import { boundsOf, type Rows, readPage, shownStatements } from './search-page.ts';
import type { SearchStore } from './search-store.ts';
import { type Estimate, SearchTurns, type Turn } from './search-turns.ts';
import { isEmpty, type NanosRange, nanosRange, rangeSql } from './time-range.ts';
import { bucketsFor } from './time-steps.ts';

type SearchAnswer = MessageInitShape<typeof SearchResponseSchema>;
type CountAnswer = MessageInitShape<typeof CountResponseSchema>;
type HistogramAnswer = MessageInitShape<typeof HistogramResponseSchema>;

export interface SearchService {
  /** @throws SluiceError; a mistake in the query is `query_invalid` with its position */
  search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer>;
  count(request: CountRequest, signal: AbortSignal): Promise<CountAnswer>;
  histogram(request: HistogramRequest, signal: AbortSignal): Promise<HistogramAnswer>;
}

export interface SearchServiceOptions {
  readonly store: SearchStore;
  /** The log table's name, qualified when needed. Default `otel_logs`. */
  readonly table?: string;
  /** Shared by all searches of a server. Default: those of this machine. */
  readonly turns?: SearchTurns;
  /** Second copies of moved blocks. Default: there are none. */
  readonly hidden?: HiddenCopies;
  /** Default: the time of day in ms. */
  readonly now?: () => number;
}

export function createSearchService(options: SearchServiceOptions): SearchService {
  return new TableSearch(options);
}

interface AskedSearch {
  readonly query: QueryNode;
  readonly searchId: string;
  readonly range: NanosRange;
  /** What is looked at, for the estimate. */
  readonly where: string;
  readonly signal: AbortSignal;
}

/** An estimate is a light query itself, and not worth waiting for. */
const ESTIMATE_OPTIONS = {
  weight: 'light',
  timeoutMs: ESTIMATE_TIMEOUT_MS,
  waitMs: ESTIMATE_TIMEOUT_MS,
} as const;

class TableSearch implements SearchService {
  readonly #store: SearchStore;
  readonly #table: string;
  readonly #turns: SearchTurns;
  readonly #hidden: HiddenCopies;
  readonly #now: () => number;

  constructor(options: SearchServiceOptions) {
    this.#store = options.store;
    this.#table = options.table ?? 'otel_logs';
    this.#turns = options.turns ?? new SearchTurns(searchTurnsLimits());
    this.#hidden = options.hidden ?? NOTHING_HIDDEN;
    this.#now = options.now ?? Date.now;
  }

  async search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    const startedMs = this.#now();
    const query = parseQuery(request.query);
    const condition = toSql(query);
    const limit = boundedNumber('limit', request.limit, DEFAULT_PAGE_RECORDS, MAX_PAGE_RECORDS);
    const after = request.cursor === '' ? undefined : readCursor(request.cursor);
    const asked = nanosRange(request.range);
    const isBehind = after !== undefined && (asked.end === undefined || asked.end > after.timestampNanos);
    const range = { start: asked.start, end: isBehind ? after.timestampNanos + 1n : asked.end };
    const where = after === undefined ? condition : `${condition} AND ${behindSql(after)}`;
    const statements: string[] = [];
    const { searchId } = request;
    const search = { query, searchId, range, where: `${rangeSql(range)} AND ${where}`, signal };
    const { found, more } = await this.#inTurn(search, (rows) =>
      this.#hidden.answer((hiding) => {
        // What was run for an answer that is made again is not what gave the answer.
        statements.length = 0;
        const telling: Rows = (sql) => rows(sql, (statement) => statements.push(statement));
        return readPage(telling, { table: this.#table, range, where: where + hiding, limit });
      }),
    );
    const last = found.at(-1);
    return {
      records: found.map(({ record }) => record),
      nextCursor: more && last !== undefined ? writeCursor(last.place) : '',
      sql: shownStatements(statements),
      elapsedMs: this.#elapsedMs(startedMs),
    };
  }

  async count(request: CountRequest, signal: AbortSignal): Promise<CountAnswer> {
    const startedMs = this.#now();
    const query = parseQuery(request.query);
    const range = nanosRange(request.range);
    const where = `${rangeSql(range)} AND ${toSql(query)}`;
    const sql = `SELECT toString(count()) FROM ${this.#table} WHERE ${where}`;
    const [row] = isEmpty(range)
      ? [['0']]
      : await this.#inTurn({ query, searchId: request.searchId, range, where, signal }, (rows) =>
          this.#hidden.answer((hiding) => rows(sql + hiding)),
        );
    return {
      count: BigInt(z.tuple([z.string()]).parse(row)[0]),
      elapsedMs: this.#elapsedMs(startedMs),
    };
  }

  async histogram(request: HistogramRequest, signal: AbortSignal): Promise<HistogramAnswer> {
    const startedMs = this.#now();
    const query = parseQuery(request.query);
    const condition = toSql(query);
    const wanted = boundedNumber('buckets', request.buckets, DEFAULT_BUCKETS, MAX_BUCKETS);
    const asked = nanosRange(request.range);
    const nothing = { startUnixNanos: asked.start ?? 0n, stepNanos: 0n, buckets: [], total: 0n };
    if (isEmpty(asked)) return nothing;
    const search = {
      query,
      searchId: request.searchId,
      range: asked,
      where: `${rangeSql(asked)} AND ${condition}`,
      signal,
    };
    const filled = await this.#inTurn(search, async (rows) => {
      const isClosed = asked.start !== undefined && asked.end !== undefined;
      const bounds = isClosed ? undefined : await boundsOf(rows, this.#table, asked);
      const start = asked.start ?? bounds?.start;
      const end = asked.end ?? bounds?.end;
      if (start === undefined || end === undefined || start >= end) return nothing;
      const buckets = bucketsFor(start, end, wanted);
      const where = `${rangeSql({ start, end })} AND ${condition}`;
      const counted = await this.#hidden.answer((hiding) =>
        rows(histogramSql(this.#table, where + hiding, buckets)),
      );
      return fillBuckets(buckets, counted);
    });
    return { ...filled, elapsedMs: this.#elapsedMs(startedMs) };
  }

  /** Does `work` in a turn. It may be done a second time, from its beginning, when a first turn was too short. */
  #inTurn<T>(asked: AskedSearch, work: (rows: Rows) => Promise<T>): Promise<T> {
    const { query, searchId, range, where, signal } = asked;
    if (searchId.length > MAX_SEARCH_ID_LENGTH) {
      throw new SluiceError(
        'query_invalid',
        `search_id has ${searchId.length} characters; expected at most ${MAX_SEARCH_ID_LENGTH}`,
      );
    }
    const cost = costClassOf(query);
    const estimate = async (dropped: AbortSignal): Promise<Estimate> => {
      const sql = estimateSql(this.#table, where);
      return readEstimate(await this.#store.rows(sql, { ...ESTIMATE_OPTIONS, signal: dropped }), cost);
    };
    const readsAll = cost === 'scan' && range.start === undefined;
    const ask = { searchId, signal, guess: guessWeight(cost), estimate: readsAll ? undefined : estimate };
    return this.#turns.run(ask, (turn) => work(this.#rowsIn(turn, query, signal)));
  }

  /** Runs the queries of one request in its turn; errors of the engine in `query` point at their place. */
  #rowsIn(turn: Turn, query: QueryNode, signal: AbortSignal): Rows {
    let isFirst = true;
    return async (sql, onStatement) => {
      const timeoutMs = Math.ceil(turn.leftMs());
      if (timeoutMs <= 0) throw searchTimeout();
      // What has begun waits for its next query as long as its turn lasts: giving up would waste what was done.
      const waitMs = isFirst ? Math.max(MIN_PATIENCE_MS, turn.patienceMs()) : timeoutMs;
      isFirst = false;
      try {
        return await this.#store.rows(sql, {
          ...{ timeoutMs, waitMs, signal, weight: turn.weight },
          ...defined({ onStatement }),
        });
      } catch (error) {
        throw pointed(error, query);
      }
    };
  }

  #elapsedMs(startedMs: number): bigint {
    return BigInt(Math.round(this.#now() - startedMs));
  }
}

/** An error that the engine has with a regular expression, at that expression's place in the query. */
function pointed(error: unknown, query: QueryNode): unknown {
  if (!SluiceError.is(error, 'query_invalid')) return error;
  const regexes = regexTerms(query);
  const term = regexes.find(({ pattern }) => error.message.includes(pattern)) ?? regexes[0];
  return term === undefined ? error : queryError(error.message, term.position);
}

function boundedNumber(name: string, value: number, whenAbsent: number, most: number): number {
  if (value > most) {
    throw new SluiceError('limit_exceeded', `${name} is ${value}; expected at most ${most}`);
  }
  return value === 0 ? whenAbsent : value;
}
