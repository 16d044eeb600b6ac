/**
 * Grants, refusals of a request, and revocations: wire <-> protocol.
 *
 * Invariant: what a `read...` function returns is within the protocol's limits; everything else throws SluiceError
 * ('protocol_violation') that names the field.
 */
import { create } from '@bufbuild/protobuf';
import type {
  ChannelNumber,
  Grant,
  GrantedChannel,
  GrantId,
  RefusalReason,
  RequestId,
} from '@sluice/protocol/model';
import { MAX_CHANNELS_PER_GRANT, MAX_PRIORITY } from '@sluice/protocol/model';
import type { Grant as WireGrant, Revocation as WireRevocation } from '@sluice/wire/gen/uplink_pb';
import {
  GrantSchema,
  RevocationSchema,
  RefusalReason as WireRefusalReason,
} from '@sluice/wire/gen/uplink_pb';
import { readChannelNumber, readCount, readGrantId, readInteger, readSafe, violation } from './fields.ts';

/** Longest lifetime of a grant, one day: longer ones would outlive any plan of a server. */
export const MAX_GRANT_LIFETIME_MS: number = 24 * 60 * 60 * 1000;

const REFUSAL_REASONS: ReadonlyMap<WireRefusalReason, RefusalReason> = new Map([
  [WireRefusalReason.OVERLOADED, 'overloaded'],
  [WireRefusalReason.DRAINING, 'draining'],
  [WireRefusalReason.NOTHING_WAITS, 'nothing_waits'],
  [WireRefusalReason.HOLDS_ENOUGH, 'holds_enough'],
]);

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
