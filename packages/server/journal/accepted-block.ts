/** A block on its way from the ingest into the journal. */
import type { BlockHeader, ServerId, TimeMs } from '@sluice/protocol/model';

/** A validated block as it arrived. `payload` must not change until its append has settled. */
export interface AcceptedBlock {
  readonly header: BlockHeader;
  /** One zstd frame, stored verbatim. */
  readonly payload: Uint8Array;
  /** What its columns take, uncompressed, where that is not its raw size: of blocks of another encoding. */
  readonly columnBytes?: number;
  /** Priority of the channel on which it came. */
  readonly priority: number;
  readonly receivedMs: TimeMs;
  /** It may be durable at this other server too (U14). */
  readonly inDoubtAt?: ServerId;
  /** The agent had sealed all lower sequences before this connection; 0 or left out when it does not say. */
  readonly sealedBefore?: number;
}
