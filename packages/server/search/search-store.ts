/**
 * What searching needs of the store, and the store's failures in the words that a searching person can use.
 */
import { ClickHouseError } from '@clickhouse/client';
import { SluiceError } from '@sluice/protocol/error';
import type { StoreClient } from '../store/store-client.ts';
import { HIDING_MARK, HIDING_SETTINGS } from './hidden-copies.ts';
import { MAX_QUERY_BYTES, MAX_QUERY_MEMORY_BYTES } from './limits.ts';

/** Answers read-only SQL. */
export interface SearchStore {
  /**
   * @param timeoutMs after which the engine gives up
   * @param signal ends the wait, and the query where the engine can
   * @returns one array of values per row
   * @throws SluiceError: `query_invalid` for a regular expression that the engine refuses, `limit_exceeded`,
   *   `not_reachable`, `store_failed`, {@link SearchTimeout} or {@link SearchCancelled}
   */
  readonly rows: (sql: string, timeoutMs: number, signal: AbortSignal) => Promise<readonly unknown[][]>;
}

/** The search took too long. */
export class SearchTimeout extends SluiceError {
  constructor(cause?: unknown) {
    super('limit_exceeded', 'the search took too long and was ended', {
      cause,
      hint: 'Narrow the time range, or search for whole words and field values, which an index answers.',
    });
  }
}

/** The caller went away before the answer. */
export class SearchCancelled extends SluiceError {
  constructor(cause?: unknown) {
    super('internal', 'the search was cancelled by its caller', { cause });
  }
}

export function createSearchStore(client: Pick<StoreClient, 'queryText'>): SearchStore {
  return {
    rows: async (sql, timeoutMs, signal) => {
      if (signal.aborted) throw new SearchCancelled();
      try {
        const text = await client.queryText(
          sql,
          {},
          {
            format: 'JSONCompactEachRow',
            timeoutMs,
            signal,
            settings: {
              max_memory_usage: String(MAX_QUERY_MEMORY_BYTES),
              max_query_size: String(MAX_QUERY_BYTES),
              ...(sql.includes(HIDING_MARK) ? HIDING_SETTINGS : {}),
            },
          },
        );
        return text.split('\n').flatMap((line) => (line === '' ? [] : [readLine(line)]));
      } catch (error) {
        throw signal.aborted ? new SearchCancelled(error) : searchError(error);
      }
    },
  };
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

/** What the store's client threw, as what the person who searches can do about it. */
export function searchError(error: unknown): SluiceError {
  const known = SluiceError.from(error, 'store_failed');
  const type = known.cause instanceof ClickHouseError ? (known.cause.type ?? '') : '';
  if (TIMEOUT_TYPES.has(type)) return new SearchTimeout(known);
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
  return known.code === 'query_invalid'
    ? new SluiceError('store_failed', known.message, { cause: known })
    : known;
}
