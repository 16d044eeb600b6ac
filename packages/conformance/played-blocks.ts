/** Blocks as an agent of any version may send them: of the first format, which every server takes (block/format.md). */
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { withDigest } from '@sluice/block/digest';
import { FIRST_BLOCK_FORMAT } from '@sluice/block/formats';
import { RecordFields } from '@sluice/block/record';
import type { UrgencyClass } from '@sluice/protocol/model';
import { writeBlock } from '@sluice/wire/convert/block';
import { readAgentId } from '@sluice/wire/convert/fields';
import type { Block } from '@sluice/wire/gen/uplink_pb';

export interface PlayedBlock {
  readonly agentId: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly urgency?: UrgencyClass;
  readonly records?: number;
  /** Of each record's text. */
  readonly bodyBytes?: number;
  /** What its records say; another text is another block. */
  readonly text?: string;
}

/** A whole block with its digest. */
export function playBlock(played: PlayedBlock): Block {
  const { epoch, sequence, urgency = 'normal', records = 3, bodyBytes = 100, text = 'conformance' } = played;
  const builder = new BlockBuilder(urgency);
  const fields = new RecordFields();
  const nowMs = Date.now();
  fields.timestampSeconds = Math.floor(nowMs / 1000);
  fields.observedMs = nowMs;
  for (let record = 0; record < records; record += 1) {
    fields.bodyText = `${text} ${sequence} record ${record} `.padEnd(bodyBytes, 'abcdefghij');
    builder.append(fields);
  }
  const agentId = readAgentId(played.agentId);
  const sealed = builder.seal({ agentId, epoch, sequence }, FIRST_BLOCK_FORMAT);
  const payload = compressBlockSync(sealed);
  return writeBlock(withDigest(sealed.header, payload), payload, undefined);
}
