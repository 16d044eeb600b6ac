/**
 * What the ingest needs of the journal and of the block validator. The journal is packages/server/journal, the
 * validator packages/block/validator.ts.
 */

import type { CheckedBlock, ExpectedBlock } from '@sluice/block/validator';
import type { AgentId, BlockId } from '@sluice/protocol/model';
import type { AcceptedBlock } from '../journal/accepted-block.ts';

/** Durable store of blocks that were taken. */
export interface BlockJournal {
  /** Resolves when the block would survive a power cut; rejects when it was not taken (then it may be sent again). */
  append(block: AcceptedBlock): Promise<void>;
  /** True when this very block was taken, in this life or an earlier one, whether or not it is loaded already. */
  knows(id: BlockId): boolean;
  /** The agent holds no block of the epoch with a smaller sequence: what is remembered of them may go. */
  settleBelow(agentId: AgentId, epoch: number, sequence: number): void | Promise<void>;
  /** Uncompressed bytes that it can take when it is empty. */
  readonly maxRawBytes: number;
  /** Uncompressed bytes that it can take beyond what it holds and is writing. */
  readonly roomBytes: number;
  /** Calls the listener after `roomBytes` changed; the returned function ends that. */
  onRoomChanged(listener: () => void): () => void;
}

/** Checks a payload; throws SluiceError('block_malformed') with the reason when it must not be taken. */
export type ValidateBlock = (payload: Uint8Array, expected: ExpectedBlock) => CheckedBlock | undefined;
