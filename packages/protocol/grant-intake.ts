/**
 * M3, M4, M5: takes a server's answer apart: does it answer a request of ours, how many channels does it allocate.
 *
 * Invariants: a grant that answers no request, repeats a grant, or breaks a limit of the model gives no channel.
 */
import type { Channel, LiveGrant, Server } from './agent-state.ts';
import type { Grant } from './model.ts';
import { MAX_CHANNELS_PER_GRANT, MAX_PRIORITY } from './model.ts';

/** What an answer turned out to be. */
export type GrantReading =
  | { readonly kind: 'granted'; readonly grant: LiveGrant }
  | { readonly kind: 'refused'; readonly retryAfterMs: number }
  | { readonly kind: 'invalid' };

/** Reads an answer that arrived at `nowMs`; `arrival` is its place among all grants. Changes nothing. */
export function readGrant(server: Server, grant: Grant, arrival: number, nowMs: number): GrantReading {
  if (!server.connected || !server.askedIds.includes(grant.requestId)) return { kind: 'invalid' };
  if (grant.channels.length === 0) return { kind: 'refused', retryAfterMs: grant.retryAfterMs ?? 0 };
  if (!isValid(grant) || server.grants.has(grant.grantId)) return { kind: 'invalid' };
  const channels: Channel[] = [];
  const live: LiveGrant = {
    grantId: grant.grantId,
    arrival,
    lifetimeMs: grant.lifetimeMs,
    expiresAtMs: nowMs + grant.lifetimeMs,
    quotaBytes: grant.channels.reduce((sum, channel) => sum + channel.quotaBytes, 0),
    channels,
  };
  for (const granted of grant.channels) {
    channels.push({
      ...granted,
      serverId: server.serverId,
      grant: live,
      usedBytes: 0,
      ended: false,
      inFlight: new Set(),
      inFlightBytes: 0,
      progressAtMs: nowMs,
      stalled: false,
      pausedUntilMs: Number.NEGATIVE_INFINITY,
      violating: false,
    });
  }
  return { kind: 'granted', grant: live };
}

function isValid(grant: Grant): boolean {
  if (grant.channels.length > MAX_CHANNELS_PER_GRANT || !(grant.lifetimeMs > 0)) return false;
  const numbers = new Set<number>();
  for (const { channel, priority, quotaBytes, reservedForUrgentBytes } of grant.channels) {
    if (!Number.isSafeInteger(priority) || priority < 1 || priority > MAX_PRIORITY) return false;
    if (!Number.isSafeInteger(quotaBytes) || quotaBytes < 0) return false;
    if (!Number.isSafeInteger(reservedForUrgentBytes) || reservedForUrgentBytes < 0) return false;
    numbers.add(channel);
  }
  return numbers.size === grant.channels.length;
}
