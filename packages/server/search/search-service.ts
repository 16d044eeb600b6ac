/**
 * Search, count and histogram over the log table, for somebody.
 *
 * Invariants: each statement has the scope of who asks (search-scope.ts); nothing is asked of the table without a turn
 * (search-turns.ts); every query has its turn's deadline, a memory bound and the caller's signal; pages follow the total order of
 * cursor.ts.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import type { Principal } from '@sluice/protocol/principal';
import type { QueryNode } from '@sluice/query/ast';
import { Condition } from '@sluice/query/condition';
import { costClassOf } from '@sluice/query/cost-class';
import { parseQuery } from '@sluice/query/parse';
import { queryError } from '@sluice/query/query-error';
import { regexTerms } from '@sluice/query/regex-terms';
import type {
  CountRequest,
  CountResponseSchema,
  HistogramRequest,
  HistogramResponseSchema,
  SearchRequest,
  SearchResponseSchema,
} from '@sluice/wire/gen/query_pb';
import { z } from 'zod';
import { LogStatement, narrowed, type Scope } from '../store/log-table.ts';
import { behindSql, readCursor, writeCursor } from './cursor.ts';
import { type HiddenCopies, NOTHING_HIDDEN } from './hidden-copies.ts';
import { fillBuckets, histogramStatement } from './histogram.ts';
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
import { estimateStatement, guessWeight, readEstimate } from './search-cost.ts';
import { searchTimeout } from './search-errors.ts';
import { boundsOf, type Rows, readPage, shownStatements } from './search-page.ts';
import { type ScopeOf, scopeOf } from './search-scope.ts';
import type { SearchStore } from './search-store.ts';
import { type Estimate, SearchTurns, type Turn } from './search-turns.ts';
import { isEmpty, isInRange, type NanosRange, nanosRange } from './time-range.ts';
import { bucketsFor } from './time-steps.ts';

type SearchAnswer = MessageInitShape<typeof SearchResponseSchema>;
type CountAnswer = MessageInitShape<typeof CountResponseSchema>;
type HistogramAnswer = MessageInitShape<typeof HistogramResponseSchema>;

export interface SearchService {
  /** @throws SluiceError; a mistake in the query is `query_invalid` with its position */
  search(request: SearchRequest, principal: Principal, signal: AbortSignal): Promise<SearchAnswer>;
  count(request: CountRequest, principal: Principal, signal: AbortSignal): Promise<CountAnswer>;
  histogram(request: HistogramRequest, principal: Principal, signal: AbortSignal): Promise<HistogramAnswer>;
}

export interface SearchServiceOptions {
  readonly store: SearchStore;
  /** Default: {@link scopeOf}. */
  readonly scopeOf?: ScopeOf;
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
  readonly principal: Principal;
  readonly scope: Scope;
  readonly query: QueryNode;
  readonly searchId: string;
  readonly range: NanosRange;
  /** What is looked at, for the estimate. */
  readonly where: Condition;
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
  readonly #scopeOf: ScopeOf;
  readonly #turns: SearchTurns;
  readonly #hidden: HiddenCopies;
  readonly #now: () => number;

  constructor(options: SearchServiceOptions) {
    this.#store = options.store;
    this.#scopeOf = options.scopeOf ?? scopeOf;
    this.#turns = options.turns ?? new SearchTurns(searchTurnsLimits());
    this.#hidden = options.hidden ?? NOTHING_HIDDEN;
    this.#now = options.now ?? Date.now;
  }

  async search(request: SearchRequest, principal: Principal, signal: AbortSignal): Promise<SearchAnswer> {
    const startedMs = this.#now();
    const scope = this.#scopeOf(principal);
    const query = parseQuery(request.query);
    const asks = Condition.ofQuery(query);
    const limit = boundedNumber('limit', request.limit, DEFAULT_PAGE_RECORDS, MAX_PAGE_RECORDS);
    const after = request.cursor === '' ? undefined : readCursor(request.cursor);
    const asked = nanosRange(request.range);
    const isBehind = after !== undefined && (asked.end === undefined || asked.end > after.timestampNanos);
    const range = { start: asked.start, end: isBehind ? after.timestampNanos + 1n : asked.end };
    const where = after === undefined ? asks : Condition.all([asks, Condition.ofSql(behindSql(after))]);
    const statements: string[] = [];
    const { searchId } = request;
    const search = {
      ...{ principal, scope, query, searchId, range, signal },
      where: Condition.all([isInRange(range), where]),
    };
    const { found, more } = await this.#inTurn(search, (rows) =>
      this.#hidden.answer((shown) => {
        // What was run for an answer that is made again is not what gave the answer.
        statements.length = 0;
        const telling: Rows = (statement) => rows(statement, (text) => statements.push(text));
        const page = { boundsScope: scope, scope: narrowed(scope, shown), range, where, limit };
        return readPage(telling, page);
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

  async count(request: CountRequest, principal: Principal, signal: AbortSignal): Promise<CountAnswer> {
    const startedMs = this.#now();
    const scope = this.#scopeOf(principal);
    const query = parseQuery(request.query);
    const range = nanosRange(request.range);
    const where = Condition.all([isInRange(range), Condition.ofQuery(query)]);
    const { searchId } = request;
    const counted = (within: Scope): LogStatement =>
      new LogStatement(within, where, (from) => `SELECT toString(count()) ${from}`);
    const [row] = isEmpty(range)
      ? [['0']]
      : await this.#inTurn({ principal, scope, query, searchId, range, where, signal }, (rows) =>
          this.#hidden.answer((shown) => rows(counted(narrowed(scope, shown)))),
        );
    return {
      count: BigInt(z.tuple([z.string()]).parse(row)[0]),
      elapsedMs: this.#elapsedMs(startedMs),
    };
  }

  async histogram(
    request: HistogramRequest,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<HistogramAnswer> {
    const startedMs = this.#now();
    const scope = this.#scopeOf(principal);
    const query = parseQuery(request.query);
    const asks = Condition.ofQuery(query);
    const wanted = boundedNumber('buckets', request.buckets, DEFAULT_BUCKETS, MAX_BUCKETS);
    const asked = nanosRange(request.range);
    const nothing = { startUnixNanos: asked.start ?? 0n, stepNanos: 0n, buckets: [], total: 0n };
    if (isEmpty(asked)) return nothing;
    const { searchId } = request;
    const search = {
      ...{ principal, scope, query, searchId, range: asked, signal },
      where: Condition.all([isInRange(asked), asks]),
    };
    const filled = await this.#inTurn(search, async (rows) => {
      const isClosed = asked.start !== undefined && asked.end !== undefined;
      const bounds = isClosed ? undefined : await boundsOf(rows, scope, asked);
      const start = asked.start ?? bounds?.start;
      const end = asked.end ?? bounds?.end;
      if (start === undefined || end === undefined || start >= end) return nothing;
      const buckets = bucketsFor(start, end, wanted);
      const where = Condition.all([isInRange({ start, end }), asks]);
      const counted = await this.#hidden.answer((shown) =>
        rows(histogramStatement(narrowed(scope, shown), where, buckets)),
      );
      return fillBuckets(buckets, counted);
    });
    return { ...filled, elapsedMs: this.#elapsedMs(startedMs) };
  }

  /** Does `work` in a turn. It may be done a second time, from its beginning, when a first turn was too short. */
  #inTurn<T>(asked: AskedSearch, work: (rows: Rows) => Promise<T>): Promise<T> {
    const { principal, scope, query, searchId, range, where, signal } = asked;
    if (searchId.length > MAX_SEARCH_ID_LENGTH) {
      throw new SluiceError(
        'query_invalid',
        `search_id has ${searchId.length} characters; expected at most ${MAX_SEARCH_ID_LENGTH}`,
      );
    }
    const cost = costClassOf(query);
    const estimate = async (dropped: AbortSignal): Promise<Estimate> => {
      const statement = estimateStatement(scope, where);
      const options = { ...ESTIMATE_OPTIONS, asker: principal.name, signal: dropped };
      return readEstimate(await this.#store.rows(statement, options), cost);
    };
    const readsAll = cost === 'scan' && range.start === undefined;
    const ask = {
      ...{ asker: principal.name, searchId, signal, guess: guessWeight(cost) },
      estimate: readsAll ? undefined : estimate,
    };
    return this.#turns.run(ask, (turn) => work(this.#rowsIn(turn, asked)));
  }

  /** Runs the queries of one request in its turn; errors of the engine in `query` point at their place. */
  #rowsIn(turn: Turn, { principal, query, signal }: AskedSearch): Rows {
    let isFirst = true;
    return async (statement, onStatement) => {
      const timeoutMs = Math.ceil(turn.leftMs());
      if (timeoutMs <= 0) throw searchTimeout();
      // What has begun waits for its next query as long as its turn lasts: giving up would waste what was done.
      const waitMs = isFirst ? Math.max(MIN_PATIENCE_MS, turn.patienceMs()) : timeoutMs;
      isFirst = false;
      try {
        return await this.#store.rows(statement, {
          ...{ asker: principal.name, timeoutMs, waitMs, signal, weight: turn.weight },
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
