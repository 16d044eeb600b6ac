/**
 * M3: receives a server's answer: does it answer a request of ours, and what is it.
 *
 * Invariants: a grant that answers no request, repeats a grant, or breaks a limit of the model gives no channel.
 */
import type { Channel, LiveGrant, Server } from './agent-state.ts';
import { countChannels } from './channel-count.ts';
import type { Grant } from './model.ts';
import { MAX_CHANNELS_PER_GRANT, MAX_PRIORITY } from './model.ts';

/** What an answer turned out to be. */
export type GrantReading =
  | { readonly kind: 'granted'; readonly grant: LiveGrant }
  | { readonly kind: 'refused'; readonly retryAfterMs: number }
  /** It answers a request, so that one is answered, but gives nothing. */
  | { readonly kind: 'invalid'; readonly answers: boolean; readonly problem: string };

/** Reads an answer that arrived at `nowMs`; `arrival` is its place among all grants. Changes nothing. */
export function readGrant(server: Server, grant: Grant, arrival: number, nowMs: number): GrantReading {
  if (!server.connected || !server.askedIds.includes(grant.requestId))
    return { kind: 'invalid', answers: false, problem: 'a grant that answers no open request' };
  if (countChannels(grant.channels) === 'none')
    return { kind: 'refused', retryAfterMs: grant.retryAfterMs ?? 0 };
  const problem = server.grantIds.includes(grant.grantId) ? 'a grant that it gave before' : problemOf(grant);
  if (problem !== undefined) return { kind: 'invalid', answers: true, problem };
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
      server,
      grant: live,
      usedBytes: 0,
      // Without a quota it carries nothing, and must not rank its server (U24).
      ended: granted.quotaBytes === 0,
      inFlight: new Set(),
      pausedUntilMs: Number.NEGATIVE_INFINITY,
      violating: false,
    });
  }
  return { kind: 'granted', grant: live };
}

/** What is wrong with the grant, in words for people; undefined when nothing is. */
function problemOf(grant: Grant): string | undefined {
  if (grant.channels.length > MAX_CHANNELS_PER_GRANT) return `a grant of ${grant.channels.length} channels`;
  if (!(grant.lifetimeMs > 0)) return 'a grant without a lifetime';
  const numbers = new Set<number>();
  for (const { channel, priority, quotaBytes, reservedForUrgentBytes } of grant.channels) {
    if (!Number.isSafeInteger(priority) || priority < 1 || priority > MAX_PRIORITY)
      return 'a channel whose priority is none';
    if (!Number.isSafeInteger(quotaBytes) || quotaBytes < 0) return 'a channel whose quota is none';
    if (!Number.isSafeInteger(reservedForUrgentBytes) || reservedForUrgentBytes < 0)
      return 'a channel whose reserve is none';
    numbers.add(channel);
  }
  return numbers.size === grant.channels.length ? undefined : 'a grant that names a channel twice';
}
