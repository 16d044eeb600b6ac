/** Errors of the store, told apart by whose fault they are: the data's, the query's, or the store's condition. */

import { ClickHouseError } from '@clickhouse/client';
import { SluiceError } from '@sluice/base/error';
import { tlsProblem } from '@sluice/host/tls-problem';

/** The store cannot read the bytes of an insert: the same bytes will be refused again. */
const DATA_ERRORS: ReadonlySet<string> = new Set([
  'ARGUMENT_OUT_OF_BOUND',
  'ATTEMPT_TO_READ_AFTER_EOF',
  'CANNOT_CONVERT_TYPE',
  'CANNOT_DECOMPRESS',
  'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
  'CANNOT_READ_ALL_DATA',
  'ILLEGAL_COLUMN',
  'INCORRECT_DATA',
  'INCORRECT_NUMBER_OF_COLUMNS',
  'SIZES_OF_COLUMNS_DOESNT_MATCH',
  'TOO_LARGE_ARRAY_SIZE',
  'TOO_LARGE_STRING_SIZE',
  'TOO_LARGE_SIZE_COMPRESSED',
  'UNEXPECTED_END_OF_FILE',
  'ZSTD_DECODER_FAILED',
]);

/**
 * The store is away, busy, out of something, or not as it should be: whatever is inserted is refused, and the same may be
 * taken later.
 */
const CONDITION_ERRORS: ReadonlySet<string> = new Set([
  'ABORTED',
  'ALL_CONNECTION_TRIES_FAILED',
  'CANNOT_ALLOCATE_MEMORY',
  'CANNOT_CREATE_DIRECTORY',
  'CANNOT_FSYNC',
  'CANNOT_OPEN_FILE',
  'CANNOT_SCHEDULE_TASK',
  'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
  'DISTRIBUTED_TOO_MANY_PENDING_BYTES',
  'FILE_DOESNT_EXIST',
  'KEEPER_EXCEPTION',
  'LIMIT_EXCEEDED',
  'MEMORY_LIMIT_EXCEEDED',
  'NETWORK_ERROR',
  'NOT_ENOUGH_SPACE',
  'NO_REPLICA_HAS_PART',
  'NO_SUCH_COLUMN_IN_TABLE',
  'NO_ZOOKEEPER',
  'QUERY_WAS_CANCELLED',
  'QUOTA_EXCEEDED',
  'READONLY',
  'S3_ERROR',
  'SOCKET_TIMEOUT',
  'TABLE_IS_DROPPED',
  'TABLE_IS_READ_ONLY',
  'TIMEOUT_EXCEEDED',
  'TOO_FEW_LIVE_REPLICAS',
  'TOO_MANY_PARTS',
  'TOO_MANY_PARTITIONS',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'UNKNOWN_DATABASE',
  'UNKNOWN_STATUS_OF_INSERT',
  'UNKNOWN_TABLE',
  'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE',
]);

/** The text or the parameters of a query are wrong, or ask for too much. */
const QUERY_ERRORS: ReadonlySet<string> = new Set([
  'BAD_ARGUMENTS',
  'BAD_QUERY_PARAMETER',
  'CANNOT_COMPILE_REGEXP',
  'CANNOT_PARSE_DATE',
  'CANNOT_PARSE_DATETIME',
  'CANNOT_PARSE_NUMBER',
  'CANNOT_PARSE_TEXT',
  'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
  'ILLEGAL_AGGREGATION',
  'ILLEGAL_TYPE_OF_ARGUMENT',
  'NO_COMMON_TYPE',
  'NOT_AN_AGGREGATE',
  'NUMBER_OF_ARGUMENTS_DOESNT_MATCH',
  'SYNTAX_ERROR',
  'TYPE_MISMATCH',
  'UNKNOWN_FUNCTION',
  'UNKNOWN_IDENTIFIER',
  'UNKNOWN_QUERY_PARAMETER',
  'UNKNOWN_SETTING',
]);

const ACCESS_ERRORS: ReadonlySet<string> = new Set([
  'ACCESS_DENIED',
  'AUTHENTICATION_FAILED',
  'REQUIRED_PASSWORD',
  'UNKNOWN_USER',
  'WRONG_PASSWORD',
]);

/**
 * The statement itself needs more than one may have, as earlier and present versions say it; without that the memory of all of them
 * is used up, which passes. The code is the same.
 */
const OWN_MEMORY = /^(?:Query memory limit|Memory limit \(for query\)) exceeded/;

/** Longest text of the engine that an error repeats; the rest is the query, which the reader has. */
const MAX_ENGINE_TEXT_LENGTH = 500;

export type StoreOperation = 'insert' | 'query';

/**
 * @param url for the reader: where the store was looked for
 * @returns `block_malformed` (of an insert: the data is refused and will be again), `query_invalid`, `unauthorized`,
 *   `not_reachable` (no answer came: nothing is known of the outcome), `insert_refused` (of an insert: the engine says no,
 *   and not for its own condition as far as is known), or `store_failed` with the engine's code
 */
export function storeError(error: unknown, operation: StoreOperation, url: string): SluiceError {
  if (error instanceof SluiceError) return error;
  if (!(error instanceof ClickHouseError)) return unreachable(error, url);
  const type = error.type ?? '';
  const message = `the store says: Code ${error.code} ${type}: ${firstLine(error.message)}`;
  if (operation === 'insert' && DATA_ERRORS.has(type))
    return new SluiceError('block_malformed', message, { cause: error });
  if (ACCESS_ERRORS.has(type))
    return new SluiceError('unauthorized', message, {
      cause: error,
      hint: 'Check user and password of the store.',
    });
  if (operation === 'query' && QUERY_ERRORS.has(type))
    return new SluiceError('query_invalid', message, { cause: error });
  if (type === 'TIMEOUT_EXCEEDED')
    return new SluiceError('store_failed', message, {
      cause: error,
      hint: 'Search a shorter time or fewer records, or give the query more time.',
    });
  if (operation === 'insert' && type === 'MEMORY_LIMIT_EXCEEDED' && OWN_MEMORY.test(error.message))
    return new SluiceError('insert_refused', message, { cause: error });
  if (type === 'MEMORY_LIMIT_EXCEEDED')
    return new SluiceError('store_failed', message, {
      cause: error,
      hint: 'Search a shorter time, or give the store more memory.',
    });
  if (operation === 'insert' && !CONDITION_ERRORS.has(type))
    return new SluiceError('insert_refused', message, { cause: error });
  return new SluiceError('store_failed', message, { cause: error });
}

/** @returns the engine's number for the error, when it was the engine that spoke */
export function exceptionCodeOf(error: SluiceError): number | undefined {
  return error.cause instanceof ClickHouseError ? Number(error.cause.code) : undefined;
}

function unreachable(error: unknown, url: string): SluiceError {
  const told = error instanceof Error ? error.message || error.name : String(error);
  const reason = tlsProblem(error, '--store-tls-ca') ?? told;
  return new SluiceError('not_reachable', `no answer from the store at ${url}: ${firstLine(reason)}`, {
    cause: error,
    hint: 'Check that the store runs and that the URL is right.',
  });
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').trim().slice(0, MAX_ENGINE_TEXT_LENGTH);
}
