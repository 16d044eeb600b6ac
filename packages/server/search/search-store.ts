/**
 * What searching needs of the store, and the store's failures in the words that a searching person can use.
 */
import { ClickHouseError, type ClickHouseSettings } from '@clickhouse/client';
import { SluiceError } from '@sluice/base/error';
import { sqlString } from '@sluice/query/sql-text';
import type { LogStatement } from '../store/log-table.ts';
import { querySettings, type StoreClient } from '../store/store-client.ts';
import { STORE_BUSY_RETRY_MS } from './limits.ts';
import { searchBusy, searchCancelled, searchTimeout } from './search-errors.ts';
import type { Weight } from './search-queue.ts';

/** How one query of a search is run. */
export interface RowsOptions {
  /** Name of the principal that searches. */
  readonly asker: string;
  /** After which the engine gives up. */
  readonly timeoutMs: number;
  /** How long the query may be put off by a store that others use too. */
  readonly waitMs: number;
  readonly weight: Weight;
  /** Ends the wait, and the query. */
  readonly signal: AbortSignal;
  /** Told the statement before it is run, with its settings, as it can be run again. */
  readonly onStatement?: (statement: string) => void;
}

/** Reads the log table. */
export interface SearchStore {
  /**
   * @returns one array of values per row
   * @throws SluiceError: `query_invalid` for a regular expression that the engine refuses, `limit_exceeded`,
   *   `not_reachable`, `store_failed`, `timeout`, `busy` or `cancelled`
   */
  readonly rows: (statement: LogStatement, options: RowsOptions) => Promise<readonly unknown[][]>;
}

/** @param heavyThreads threads that the engine may use for one heavy search; default: as many as it has */
export function createSearchStore(
  client: Pick<StoreClient, 'queryText'>,
  heavyThreads?: number,
): SearchStore {
  return {
    rows: async ({ sql, settings }, { asker, timeoutMs, waitMs, weight, signal, onStatement }) => {
      if (signal.aborted) throw searchCancelled();
      const options = {
        timeoutMs,
        signal,
        search: { asker, weight, waitMs },
        settings: {
          ...settings,
          ...(weight === 'heavy' && heavyThreads !== undefined ? { max_threads: heavyThreads } : {}),
        },
      };
      onStatement?.(statementText(sql, querySettings(options)));
      const startedMs = performance.now();
      try {
        const text = await client.queryText(sql, {}, { ...options, format: 'JSONCompactEachRow' });
        return text.split('\n').flatMap((line) => (line === '' ? [] : [readLine(line)]));
      } catch (error) {
        if (signal.aborted) throw searchCancelled(error);
        throw searchError(error, performance.now() - startedMs >= timeoutMs);
      }
    },
  };
}

/** The statement with the settings that go beside it, as a comment: the embedded store takes none in the text. */
function statementText(sql: string, settings: ClickHouseSettings): string {
  const assignments = Object.entries(settings).map(([name, value]) => {
    const isNumber = /^\d+(\.\d+)?$/.test(String(value));
    return `${name} = ${isNumber ? String(value) : sqlString(String(value))}`;
  });
  return `${sql} /* SETTINGS ${assignments.join(', ')} */`;
}

function readLine(line: string): unknown[] {
  const row: unknown = JSON.parse(line);
  if (!Array.isArray(row))
    throw new SluiceError('store_failed', 'the store answered with something else than rows');
  return row;
}

const TIMEOUT_TYPES: ReadonlySet<string> = new Set(['TIMEOUT_EXCEEDED', 'QUERY_WAS_CANCELLED']);
const TOO_LARGE_TYPES: ReadonlySet<string> = new Set([
  'MEMORY_LIMIT_EXCEEDED',
  'TOO_MANY_BYTES',
  'TOO_MANY_ROWS',
  'TOO_MANY_ROWS_OR_BYTES',
]);

/**
 * What the store's client threw, as what the person who searches can do about it.
 *
 * @param isLate the time that the query had is over: a store that has not answered by then is busy, not gone
 */
function searchError(error: unknown, isLate = false): SluiceError {
  const known = SluiceError.from(error, 'store_failed');
  const type = known.cause instanceof ClickHouseError ? (known.cause.type ?? '') : '';
  if (type === 'TOO_MANY_SIMULTANEOUS_QUERIES')
    return searchBusy(STORE_BUSY_RETRY_MS, 'the store is busy with other searches', known);
  if (isLate && known.code === 'not_reachable') return searchTimeout(known);
  if (TIMEOUT_TYPES.has(type)) return searchTimeout(known);
  if (TOO_LARGE_TYPES.has(type)) {
    return new SluiceError('limit_exceeded', `the search needs too much memory: ${known.message}`, {
      cause: known,
      hint: 'Narrow the time range or the query, or ask for fewer records.',
    });
  }
  if (type === 'CANNOT_COMPILE_REGEXP') {
    return new SluiceError('query_invalid', `a regular expression cannot be understood: ${known.message}`, {
      cause: known,
      hint: 'Regular expressions are of the RE2 kind: no look-around, no back-references.',
    });
  }
  // Any other complaint about the SQL is ours, not the person's: the language makes all SQL that runs here.
  // So is a store that does not let this server in: the reader's own token has nothing to do with it.
  return known.code === 'query_invalid' || known.code === 'unauthorized'
    ? new SluiceError('store_failed', known.message, { cause: known })
    : known;
}
