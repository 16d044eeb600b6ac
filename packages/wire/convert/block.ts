/**
 * Blocks, their acknowledgements and refusals: wire <-> protocol. No function copies a payload.
 *
 * Invariant: what a `read...` function returns is within the protocol's limits; everything else throws SluiceError
 * ('protocol_violation') that names the field.
 */
import { create } from '@bufbuild/protobuf';
import type { DraftHeader } from '@sluice/block/digest';
import { digestBytes, digestProblem, readDigest, withDigest } from '@sluice/block/digest';
import type {
  AgentId,
  BlockHeader,
  BlockId,
  BlockPosition,
  BlockRefusal,
  ServerId,
  TimeMs,
} from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES, MAX_SEQUENCE } from '@sluice/protocol/model';
import type {
  BlockAcknowledgement as WireAcknowledgement,
  Block as WireBlock,
  BlockRefusal as WireRefusal,
} from '@sluice/wire/gen/uplink_pb';
import { BlockAcknowledgementSchema, BlockRefusalSchema, BlockSchema } from '@sluice/wire/gen/uplink_pb';
import {
  readEpoch,
  readInteger,
  readSafe,
  readServerId,
  readText,
  readUrgency,
  violation,
  writeUrgency,
} from './fields.ts';

/** A block as a message; the payload is referred to, not copied. */
export function writeBlock(
  header: BlockHeader,
  payload: Uint8Array,
  inDoubtAt: ServerId | undefined,
): WireBlock {
  return create(BlockSchema, {
    epoch: BigInt(header.id.epoch),
    sequence: BigInt(header.id.sequence),
    urgency: writeUrgency(header.urgency),
    rawBytes: header.rawBytes,
    recordCount: header.recordCount,
    oldestObservedMs: BigInt(Math.max(0, Math.trunc(header.oldestObservedMs))),
    inDoubtAtServerId: inDoubtAt ?? '',
    digest: digestBytes(header.id.digest),
    payload,
  });
}

/** A block's checked head, and the payload still unchecked (it refers to the message's bytes). */
export interface ReceivedBlock {
  readonly header: BlockHeader;
  /** Set when header and payload are not what the digest that came with them was made of. */
  readonly damage?: string;
  readonly inDoubtAt?: ServerId;
  readonly payload: Uint8Array;
}

/**
 * The checked head of a block that `agentId` sent, with the digest of what arrived. Throws protocol_violation.
 *
 * Hashes the payload: no digest is believed, and a peer that names none sends what it always sent.
 */
export function readBlock(block: WireBlock, agentId: AgentId): ReceivedBlock {
  const draft: DraftHeader = {
    id: readPosition(block, agentId),
    urgency: readUrgency(block.urgency, 'block.urgency'),
    rawBytes: readInteger('block.raw_bytes', block.rawBytes, 1, MAX_BLOCK_RAW_BYTES),
    // A record takes at least one byte of the payload, so this also bounds what a validator allocates.
    recordCount: readInteger('block.record_count', block.recordCount, 1, MAX_BLOCK_RAW_BYTES),
    oldestObservedMs: readSafe('block.oldest_observed_ms', block.oldestObservedMs, 0) as TimeMs,
  };
  const { payload } = block;
  if (payload.length === 0) violation('block.payload', 'is empty');
  const header = withDigest(draft, payload);
  const named = block.digest.length === 0 ? header.id.digest : readDigest(block.digest);
  const inDoubtAt =
    block.inDoubtAtServerId === ''
      ? {}
      : { inDoubtAt: readServerId(block.inDoubtAtServerId, 'block.in_doubt_at') };
  if (named === header.id.digest) return { header, payload, ...inDoubtAt };
  const asNamed = { ...header, id: { ...header.id, digest: named } };
  return { header: asNamed, damage: digestProblem(asNamed, payload) ?? '', payload, ...inDoubtAt };
}

/** The position of a block, and of the one that an acknowledgement or refusal names. Throws protocol_violation. */
export function readPosition(
  named: WireAcknowledgement | WireRefusal | WireBlock,
  agentId: AgentId,
): BlockPosition {
  return {
    agentId,
    epoch: readEpoch(named.epoch),
    sequence: readSafe('sequence', named.sequence, 1, MAX_SEQUENCE),
  };
}

/** The acknowledgement of a block as a message. */
export function writeAcknowledgement(blockId: BlockId): WireAcknowledgement {
  return create(BlockAcknowledgementSchema, {
    epoch: BigInt(blockId.epoch),
    sequence: BigInt(blockId.sequence),
    digest: digestBytes(blockId.digest),
  });
}

/** A refusal as a message. */
export function writeRefusal(blockId: BlockId, refusal: BlockRefusal): WireRefusal {
  return create(BlockRefusalSchema, {
    epoch: BigInt(blockId.epoch),
    sequence: BigInt(blockId.sequence),
    retryable: refusal.kind === 'retryable',
    reason: readText(refusal.reason),
    digest: digestBytes(blockId.digest),
  });
}

/** What a refusal says (which block: {@link readPosition}). */
export function readRefusal(refusal: WireRefusal): BlockRefusal {
  return { kind: refusal.retryable ? 'retryable' : 'malformed', reason: readText(refusal.reason) };
}
