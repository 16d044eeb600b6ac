/**
 * What the loader needs of the store: one idempotent insert. The client of the real store implements it, tests
 * implement it with a store that fails in every way.
 *
 * The contract, on which "exactly once" rests:
 * - Inserts with the same token are applied at most once, however often, whenever and by however many callers they are
 *   tried, also when an earlier attempt is still running.
 * - It resolves only after the data is durable in the store.
 * - The same body under the same token is always cut into the same parts (one insert thread, block limits above
 *   MAX_BATCH_RECORDS and MAX_BATCH_RAW_BYTES), because the engine derives one token a part from ours.
 * - A rejection with SluiceError `block_malformed` says that the data itself is refused, nothing of it was applied, and
 *   the same bytes will be refused again. Any other rejection says nothing about whether it was applied.
 */
import { SluiceError } from '@sluice/protocol/error';

export interface InsertRequest {
  /** Names of all columns, in the order in which the body has them. */
  readonly columns: readonly string[];
  /** zstd frames around blocks of ClickHouse's Native format. */
  readonly zstdBody: Buffer;
  readonly deduplicationToken: string;
  /** Ends the attempt; the outcome is then unknown. */
  readonly signal: AbortSignal;
}

export interface BatchStore {
  insertBlocks(request: InsertRequest): Promise<void>;
}

/**
 * Error codes of the engine that speak of the bytes, not of its condition: reading them again cannot end otherwise.
 * Everything that is not listed is tried again.
 */
const REFUSAL_CODES: ReadonlySet<string> = new Set([
  'ARGUMENT_OUT_OF_BOUND',
  'ATTEMPT_TO_READ_AFTER_EOF',
  'CANNOT_CONVERT_TYPE',
  'CANNOT_DECOMPRESS',
  'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
  'CANNOT_READ_ALL_DATA',
  'ILLEGAL_COLUMN',
  'ILLEGAL_TYPE_OF_ARGUMENT',
  'INCORRECT_DATA',
  'INCORRECT_NUMBER_OF_COLUMNS',
  'SIZES_OF_COLUMNS_DOESNT_MATCH',
  'TOO_LARGE_ARRAY_SIZE',
  'TOO_LARGE_STRING_SIZE',
  'UNEXPECTED_END_OF_FILE',
  'ZSTD_DECODER_FAILED',
]);

/** How many causes are followed: errors are wrapped two or three deep; more is a cycle. */
const MAX_CAUSE_DEPTH = 8;

/** True when the store refused the data itself: by the contract's code, or by an error of the engine in its causes. */
export function isRefusal(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSE_DEPTH && current instanceof Error; depth += 1) {
    if (current instanceof SluiceError && current.code === 'block_malformed') return true;
    // ClickHouseError of the client names the engine's error in `type`.
    if ('type' in current && typeof current.type === 'string' && REFUSAL_CODES.has(current.type)) return true;
    current = current.cause;
  }
  return false;
}
