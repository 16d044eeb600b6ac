/** A block on its way into the queue, and one that it holds. */
import type { BlockHeader, ServerId } from '@sluice/protocol/model';

/** A sealed, compressed block. */
export interface NewBlock {
  readonly header: BlockHeader;
  /** The block's zstd frame. */
  readonly payload: Uint8Array;
}

/** A block that was found in the queue. */
export interface QueuedBlock {
  readonly header: BlockHeader;
  /** The server that may already have it durable: it was sent there, and no answer was made durable here (U14). */
  readonly inDoubtAt?: ServerId;
}
