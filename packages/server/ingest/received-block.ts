/** What becomes of a block that came, by its content alone. */
import { SluiceError } from '@sluice/base/error';
import type { BlockRefusal, TimeMs } from '@sluice/protocol/model';
import type { ReceivedBlock } from '@sluice/wire/convert/block';
import type { ValidateBlock } from './block-journal.ts';

/** A block that is refused, or what is known of one that may be taken. */
interface CheckedReceived {
  readonly refusal?: BlockRefusal;
  /** What its columns take, uncompressed, where that is not its raw size. */
  readonly columnBytes?: number;
}

/** A validated block between its event and the machine's word on it. */
export interface Arriving {
  readonly block: ReceivedBlock;
  readonly receivedMs: TimeMs;
  readonly sealedBefore: number;
  /** Of a block of another encoding. */
  readonly columnBytes: number | undefined;
  readonly leave: () => void;
  journaled: boolean;
}

/** @throws SluiceError for an error of ours */
export function checkReceived(block: ReceivedBlock, validate: ValidateBlock): CheckedReceived {
  const { id, urgency, rawBytes, recordCount } = block.header;
  try {
    const columnBytes = validate(block.payload, { ...id, urgency, rawBytes, recordCount })?.columnBytes;
    return columnBytes === undefined || columnBytes === rawBytes ? {} : { columnBytes };
  } catch (error) {
    const known = SluiceError.from(error);
    if (known.code === 'block_malformed') return { refusal: { kind: 'malformed', reason: known.message } };
    // Of a newer program, and whole for all that is known: it must not be set aside.
    if (known.code === 'protocol_mismatch') return { refusal: { kind: 'retryable', reason: known.message } };
    throw known;
  }
}
