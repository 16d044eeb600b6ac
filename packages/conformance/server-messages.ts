/** What scripted servers say, for the books and for the wire. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import { SERVER_CAPABILITIES, writeCapabilities } from '@sluice/wire/capabilities';
import type { GrantSchema, WelcomeSchema } from '@sluice/wire/gen/uplink_pb';
import { ControlResponseSchema } from '@sluice/wire/gen/uplink_pb';
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@sluice/wire/protocol-version';
import type { ChannelPlan, GivenChannel, GivenGrant } from './heard.ts';

const DEFAULT_LIFETIME_MS = 60_000;

export interface GrantFacts {
  readonly server: string;
  readonly grantId: string;
  readonly requestId: bigint;
  readonly givenAtMs: number;
  readonly lifetimeMs?: number;
  readonly isVoid?: boolean;
}

/** A grant of which nothing was used yet. */
export function giveGrant(plans: readonly ChannelPlan[], facts: GrantFacts): GivenGrant {
  const channels: GivenChannel[] = [];
  const grant: GivenGrant = {
    ...{ ...facts, channels },
    ...{ lifetimeMs: facts.lifetimeMs ?? DEFAULT_LIFETIME_MS, isVoid: facts.isVoid ?? false },
  };
  for (const [index, { priority, quotaBytes, reservedForUrgentBytes = 0, channel }] of plans.entries()) {
    channels.push({
      ...{ grant, channel: channel ?? index + 1, priority, quotaBytes, reservedForUrgentBytes },
      ...{ usedBytes: 0, usedUnreservedBytes: 0, blocks: 0, endedAtMs: undefined },
    });
  }
  return grant;
}

/** The message that gives it. */
export function grantFields(grant: GivenGrant): MessageInitShape<typeof GrantSchema> {
  const { grantId, requestId, lifetimeMs, channels } = grant;
  return {
    ...{ grantId, requestId, lifetimeMs: BigInt(lifetimeMs) },
    channels: channels.map(({ channel, priority, quotaBytes, reservedForUrgentBytes }) => ({
      ...{ channel, priority, quotaBytes: BigInt(quotaBytes) },
      reservedForUrgentBytes: BigInt(reservedForUrgentBytes),
    })),
  };
}

/** A Welcome of today, with what a script wants to be other. */
export function welcomeBytes(
  serverId: string,
  sessionId: string,
  changes: MessageInitShape<typeof WelcomeSchema>,
): Uint8Array {
  const versions = { protocolMajor: PROTOCOL_MAJOR, protocolMinor: PROTOCOL_MINOR, serverVersion: 'script' };
  const value = { ...versions, serverId, sessionId, ...writeCapabilities(SERVER_CAPABILITIES), ...changes };
  const message = create(ControlResponseSchema, { message: { case: 'welcome', value } });
  return toBinary(ControlResponseSchema, message);
}
