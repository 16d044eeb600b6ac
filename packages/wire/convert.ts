/**
 * The border between bytes of a peer and the protocol's own types, in both directions.
 *
 * Invariants: whatever a `read...` function returns is within the protocol's limits (id lengths, safe integers, known
 * enums, counts); everything else throws SluiceError('protocol_violation') that names the field. Nothing here keeps
 * state, and no function copies a payload.
 */
import { create } from '@bufbuild/protobuf';
import { SluiceError } from '@sluice/base/error';
import { type DraftHeader, digestBytes, digestProblem, readDigest, withDigest } from '@sluice/block/digest';
import type {
  AgentId,
  BlockHeader,
  BlockId,
  BlockPosition,
  BlockRefusal,
  ChannelNumber,
  ClassBacklog,
  ClosedChannel,
  Grant,
  GrantedChannel,
  GrantId,
  OutrankingServer,
  PriorityViolationNotice,
  RefusalReason,
  RequestId,
  ServerId,
  TimeMs,
  UploadRequest,
  UrgencyClass,
} from '@sluice/protocol/model';
import {
  MAX_BLOCK_RAW_BYTES,
  MAX_CHANNELS_PER_GRANT,
  MAX_CLOSED_CHANNELS,
  MAX_ID_BYTES,
  MAX_PRIORITY,
  URGENCY_CLASSES,
  urgencyRank,
} from '@sluice/protocol/model';
import type {
  BlockAcknowledgement as WireAcknowledgement,
  ClassBacklog as WireBacklog,
  Block as WireBlock,
  Grant as WireGrant,
  PriorityViolationNotice as WireNotice,
  BlockRefusal as WireRefusal,
  UploadRequest as WireRequest,
  Revocation as WireRevocation,
} from '@sluice/wire/gen/uplink_pb';
import {
  BlockAcknowledgementSchema,
  BlockRefusalSchema,
  BlockSchema,
  ClassBacklogSchema,
  GrantSchema,
  PriorityViolationNoticeSchema,
  RevocationSchema,
  UploadRequestSchema,
  RefusalReason as WireRefusalReason,
  type UrgencyClass as WireUrgency,
} from '@sluice/wire/gen/uplink_pb';

/** Most servers named in one notice: an agent is configured with a handful; more is a peer gone wrong. */
const MAX_OUTRANKING_SERVERS = 64;
/** Most priorities held by one server in a notice: several grants may live at once, each with its channels. */
const MAX_HELD_PRIORITIES = 256;
/** Longest lifetime of a grant, one day: longer ones would outlive any plan of a server. */
export const MAX_GRANT_LIFETIME_MS: number = 24 * 60 * 60 * 1000;
/** Longest free text from a peer that is kept (reasons, versions, host names), in UTF-16 units; the rest is cut. */
const MAX_TEXT_LENGTH = 1024;

const REFUSAL_REASONS: ReadonlyMap<WireRefusalReason, RefusalReason> = new Map([
  [WireRefusalReason.OVERLOADED, 'overloaded'],
  [WireRefusalReason.DRAINING, 'draining'],
  [WireRefusalReason.NOTHING_WAITS, 'nothing_waits'],
]);

const encoder = new TextEncoder();

/** Throws the error of this module: what was wrong with which field. */
function violation(field: string, problem: string): never {
  throw new SluiceError('protocol_violation', `${field}: ${problem}`, {
    hint: 'The peer does not speak this protocol as described in packages/protocol/SPEC.md; compare versions.',
  });
}

/** A checked id: 1..MAX_ID_BYTES bytes without control characters (ids go into logs and metric labels). */
export function readId(field: string, value: string): string {
  if (value.length === 0) violation(field, 'is empty');
  if (value.length > MAX_ID_BYTES || encoder.encode(value).length > MAX_ID_BYTES) {
    violation(field, `is longer than ${MAX_ID_BYTES} bytes`);
  }
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f) violation(field, 'contains a control character');
  }
  return value;
}

/** A uint64 of the wire as a number. */
function readSafe(
  field: string,
  value: bigint,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (value < BigInt(least) || value > BigInt(most)) {
    violation(field, `${value} is outside ${least}..${most}`);
  }
  return Number(value);
}

function readInteger(field: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    violation(field, `${value} is outside ${least}..${most}`);
  }
  return value;
}

function readCount(field: string, count: number, most: number): void {
  if (count > most) violation(field, `${count} entries, at most ${most} are allowed`);
}

// The casts below are where the brands of protocol/model.ts are made: right after the check that earns them.

/** A checked server id. Throws protocol_violation. */
export function readServerId(value: string, field = 'server_id'): ServerId {
  return readId(field, value) as ServerId;
}

/** A checked agent id. Throws protocol_violation. */
export function readAgentId(value: string, field = 'agent_id'): AgentId {
  return readId(field, value) as AgentId;
}

/** A checked grant id. Throws protocol_violation. */
export function readGrantId(value: string, field = 'grant_id'): GrantId {
  return readId(field, value) as GrantId;
}

/** A checked channel number, 1..MAX_CHANNELS_PER_GRANT. Throws protocol_violation. */
export function readChannelNumber(value: number, field = 'channel'): ChannelNumber {
  return readInteger(field, value, 1, MAX_CHANNELS_PER_GRANT) as ChannelNumber;
}

/** A checked epoch. Throws protocol_violation. */
export function readEpoch(value: bigint, field = 'epoch'): number {
  return readSafe(field, value, 0);
}

/** A checked `settled_below_sequence`; 0 says nothing. Throws protocol_violation. */
export function readSettledBelow(value: bigint): number {
  return readSafe('settled_below_sequence', value, 0);
}

/** A checked mark of a queue, a count or a sequence; 0 says nothing. Throws protocol_violation. */
export function readMark(value: bigint, field: string): number {
  return readSafe(field, value, 0);
}

/** Free text of a peer, cut to {@link MAX_TEXT_LENGTH}. */
export function readText(value: string): string {
  return value.length > MAX_TEXT_LENGTH ? value.slice(0, MAX_TEXT_LENGTH) : value;
}

/** Class -> its number on the wire. */
export function writeUrgency(urgency: UrgencyClass): WireUrgency {
  return urgencyRank(urgency) + 1;
}

/** Number on the wire -> class. Throws protocol_violation for an unknown one. */
export function readUrgency(value: WireUrgency, field = 'urgency'): UrgencyClass {
  const urgency = URGENCY_CLASSES[value - 1];
  if (urgency === undefined) violation(field, `unknown urgency class ${value}`);
  return urgency;
}

/** One class's backlog as a message. */
export function writeBacklog(backlog: ClassBacklog): WireBacklog {
  return create(ClassBacklogSchema, {
    urgency: writeUrgency(backlog.urgency),
    recordCount: BigInt(backlog.recordCount),
    rawBytes: BigInt(backlog.rawBytes),
    oldestAgeMs: BigInt(Math.max(0, Math.trunc(backlog.oldestAgeMs))),
    nextBlockRawBytes: BigInt(backlog.nextBlockRawBytes ?? 0),
  });
}

/** The backlogs of a request or report: at most one per class. Throws protocol_violation. */
function readBacklogs(backlogs: readonly WireBacklog[]): ClassBacklog[] {
  readCount('backlog', backlogs.length, URGENCY_CLASSES.length);
  const seen = new Set<UrgencyClass>();
  return backlogs.map((backlog) => {
    const urgency = readUrgency(backlog.urgency, 'backlog.urgency');
    if (seen.has(urgency)) violation('backlog.urgency', `${urgency} is named twice`);
    seen.add(urgency);
    const nextBlockRawBytes = readSafe('backlog.next_block_raw_bytes', backlog.nextBlockRawBytes, 0);
    return {
      urgency,
      recordCount: readSafe('backlog.record_count', backlog.recordCount, 0),
      rawBytes: readSafe('backlog.raw_bytes', backlog.rawBytes, 0),
      oldestAgeMs: readSafe('backlog.oldest_age_ms', backlog.oldestAgeMs, 0),
      ...(nextBlockRawBytes === 0 ? {} : { nextBlockRawBytes }),
    };
  });
}

/** A request as a message, with the agent's settled mark (a sequence). */
export function writeUploadRequest(request: UploadRequest, settledBelowSequence: number): WireRequest {
  return create(UploadRequestSchema, {
    requestId: BigInt(request.requestId),
    backlog: request.backlog.map(writeBacklog),
    settledBelowSequence: BigInt(settledBelowSequence),
    closedChannels: (request.closedChannels ?? []).map(({ grantId, channel, usedBytes }) => ({
      grantId,
      channel,
      usedBytes: BigInt(usedBytes),
    })),
  });
}

/** A checked request. Throws protocol_violation. */
export function readUploadRequest(request: WireRequest): UploadRequest {
  readCount('closed_channels', request.closedChannels.length, MAX_CLOSED_CHANNELS);
  const closedChannels: ClosedChannel[] = request.closedChannels.map(({ grantId, channel, usedBytes }) => ({
    grantId: readGrantId(grantId, 'closed_channels.grant_id'),
    channel: readChannelNumber(channel, 'closed_channels.channel'),
    usedBytes: readSafe('closed_channels.used_bytes', usedBytes, 0),
  }));
  return {
    requestId: readSafe('request_id', request.requestId, 1) as RequestId,
    backlog: readBacklogs(request.backlog),
    ...(closedChannels.length === 0 ? {} : { closedChannels }),
  };
}

/** A grant or refusal as a message. */
export function writeGrant(grant: Grant): WireGrant {
  let refusalReason = WireRefusalReason.UNSPECIFIED;
  for (const [wire, reason] of REFUSAL_REASONS) if (reason === grant.refusalReason) refusalReason = wire;
  return create(GrantSchema, {
    grantId: grant.grantId,
    requestId: BigInt(grant.requestId),
    channels: grant.channels.map((channel) => ({
      channel: channel.channel,
      priority: channel.priority,
      quotaBytes: BigInt(channel.quotaBytes),
      reservedForUrgentBytes: BigInt(channel.reservedForUrgentBytes),
    })),
    lifetimeMs: BigInt(grant.lifetimeMs),
    refusalReason,
    retryAfterMs: BigInt(grant.retryAfterMs ?? 0),
  });
}

/**
 * A checked grant: channel numbers unique, priorities 1..MAX_PRIORITY, the urgent reserve within the quota. A refusal
 * of a reason unknown to this version counts as `overloaded`: asking later is right for any reason. Throws
 * protocol_violation.
 */
export function readGrant(grant: WireGrant): Grant {
  readCount('grant.channels', grant.channels.length, MAX_CHANNELS_PER_GRANT);
  const seen = new Set<number>();
  const channels: GrantedChannel[] = grant.channels.map((granted) => {
    const channel = readChannelNumber(granted.channel, 'grant.channel');
    if (seen.has(channel)) violation('grant.channel', `${channel} is named twice`);
    seen.add(channel);
    const quotaBytes = readSafe('grant.quota_bytes', granted.quotaBytes, 0);
    return {
      channel,
      priority: readInteger('grant.priority', granted.priority, 1, MAX_PRIORITY),
      quotaBytes,
      reservedForUrgentBytes: readSafe(
        'grant.reserved_for_urgent_bytes',
        granted.reservedForUrgentBytes,
        0,
        quotaBytes,
      ),
    };
  });
  const base: Grant = {
    grantId: readGrantId(grant.grantId),
    requestId: readSafe('grant.request_id', grant.requestId, 1) as RequestId,
    channels,
    lifetimeMs: readSafe('grant.lifetime_ms', grant.lifetimeMs, 0, MAX_GRANT_LIFETIME_MS),
  };
  if (channels.length > 0) return base;
  return {
    ...base,
    refusalReason: REFUSAL_REASONS.get(grant.refusalReason) ?? 'overloaded',
    retryAfterMs: readSafe('grant.retry_after_ms', grant.retryAfterMs, 0, MAX_GRANT_LIFETIME_MS),
  };
}

/** What a revocation names: nothing is every grant of the server, no channel is the whole grant. */
export interface Revocation {
  readonly grantId?: GrantId;
  readonly channel?: ChannelNumber;
}

/** A revocation as a message. */
export function writeRevocation(revocation: Revocation): WireRevocation {
  return create(RevocationSchema, { grantId: revocation.grantId ?? '', channel: revocation.channel ?? 0 });
}

/** A checked revocation; a channel without its grant is a violation. Throws protocol_violation. */
export function readRevocation(revocation: WireRevocation): Revocation {
  if (revocation.grantId === '') {
    if (revocation.channel !== 0) violation('revocation.channel', 'names a channel without its grant');
    return {};
  }
  const grantId = readGrantId(revocation.grantId, 'revocation.grant_id');
  if (revocation.channel === 0) return { grantId };
  return { grantId, channel: readChannelNumber(revocation.channel, 'revocation.channel') };
}

/** A notice as a message. */
export function writeNotice(notice: PriorityViolationNotice): WireNotice {
  return create(PriorityViolationNoticeSchema, {
    grantId: notice.grantId,
    channel: notice.channel,
    priority: notice.priority,
    outrankedBy: notice.outrankedBy.map((server) => ({
      serverId: server.serverId,
      highestPriority: server.highestPriority,
      heldPriorities: [...server.heldPriorities],
    })),
  });
}

/** A checked notice. Throws protocol_violation. */
export function readNotice(notice: WireNotice): PriorityViolationNotice {
  readCount('notice.outranked_by', notice.outrankedBy.length, MAX_OUTRANKING_SERVERS);
  const outrankedBy: OutrankingServer[] = notice.outrankedBy.map((server) => {
    readCount('notice.held_priorities', server.heldPriorities.length, MAX_HELD_PRIORITIES);
    return {
      serverId: readServerId(server.serverId, 'notice.server_id'),
      highestPriority: readInteger('notice.highest_priority', server.highestPriority, 1, MAX_PRIORITY),
      heldPriorities: server.heldPriorities.map((priority) =>
        readInteger('notice.held_priorities', priority, 1, MAX_PRIORITY),
      ),
    };
  });
  return {
    grantId: readGrantId(notice.grantId, 'notice.grant_id'),
    channel: readChannelNumber(notice.channel, 'notice.channel'),
    priority: readInteger('notice.priority', notice.priority, 1, MAX_PRIORITY),
    outrankedBy,
  };
}

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
    sequence: readSafe('sequence', named.sequence, 1),
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
