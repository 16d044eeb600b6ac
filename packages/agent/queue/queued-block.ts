/** A block that the queue holds. */
import type { BlockHeader, ServerId } from '@sluice/protocol/model';

export interface QueuedBlock {
  readonly header: BlockHeader;
  /** The server that may already have it durable: it was sent there, and no answer was made durable here (U14). */
  readonly inDoubtAt?: ServerId;
}
