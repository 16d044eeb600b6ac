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
 *   the same bytes will be refused again. `insert_refused` says that the store spoke and said no, for a reason that may be
 *   the data's or its own. Any other rejection says nothing about whether it was applied.
 */
import type { SluiceError } from '@sluice/base/error';
import type { BlockHeader } from '@sluice/protocol/model';

export interface InsertRequest {
  /** Names of all columns, in the order in which the body has them. */
  readonly columns: readonly string[];
  /** zstd frames around blocks of ClickHouse's Native format. */
  readonly zstdBody: Buffer;
  readonly deduplicationToken: string;
  /** Among other inserts; 1 is the highest. */
  readonly priority: number;
  /** Ends the attempt; the outcome is then unknown. */
  readonly signal: AbortSignal;
}

export interface BatchStore {
  insertBlocks(request: InsertRequest): Promise<void>;
}

/** What must be known of a block to look for it. */
export type WantedBlock = Pick<BlockHeader, 'id' | 'recordCount'> & { readonly oldestObservedMs: number };

/**
 * Says which of the blocks are in the store as a whole: by their keys (`blockKey`), the ids of the servers whose copies
 * are. Asked for blocks that another server may have loaded, and for what an earlier life left: tokens are remembered for
 * a bounded time only.
 */
export type FindStoredBlocks = (
  blocks: readonly WantedBlock[],
) => Promise<ReadonlyMap<string, readonly string[]>>;

/** What the store says against a batch. */
export interface Refusal {
  readonly reason: string;
  /** It is the data; otherwise it may be the store itself. */
  readonly isCertain: boolean;
}

/** The refusal in an error, by the contract's codes; undefined when it is none, and the same may be tried again. */
export function refusalOf(error: SluiceError): Refusal | undefined {
  const { code, message } = error;
  // What cannot be read back from the journal will never be, and a block of a newer program not by this one.
  if (code === 'block_malformed' || code === 'state_corrupt' || code === 'protocol_mismatch')
    return { reason: message, isCertain: true };
  return code === 'insert_refused' ? { reason: message, isCertain: false } : undefined;
}
