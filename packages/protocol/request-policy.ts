/**
 * M2: when to ask a server (U1, U2, U3). Each server is judged by itself, so a slow one delays no other.
 *
 * Invariants: pure; no request before the time a refusal named; at most one unanswered request per server, which a
 * more urgent one may replace.
 */
import type { Server } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import { EXPIRY_AHEAD_FRACTION, MIN_REQUEST_INTERVAL_MS, REQUEST_AHEAD_FRACTION } from './limits.ts';

export interface RequestTimes {
  readonly requestTimeoutMs: number;
  readonly refreshIntervalMs: number;
}

/** What waits, as far as asking is concerned. */
export interface Need {
  /** Most urgent class that waits and does not fit the quota in hand of this server; undefined when all fits. */
  readonly unfitRank: number | undefined;
  /** More waits than the quota in hand of this server, and that is less than a window: it would run out on the way. */
  readonly runsOut?: boolean;
}

/** The time at which the server should be asked; at or before now: ask now. Infinity when it is not connected. */
export function requestDueMs(server: Server, need: Need, times: RequestTimes, nowMs: number): number {
  if (!server.connected) return Number.POSITIVE_INFINITY;
  const earliest = Math.max(server.notBeforeMs, server.lastRequestAtMs + MIN_REQUEST_INTERVAL_MS);
  if (server.recalled && server.closedChannels.length > 0) return earliest;
  if (server.waitingSinceMs !== undefined) {
    if (need.unfitRank !== undefined && need.unfitRank < server.askedRank) return earliest;
    return Math.max(earliest, server.waitingSinceMs + times.requestTimeoutMs);
  }
  if (need.unfitRank !== undefined || need.runsOut === true) return earliest;
  return Math.max(
    earliest,
    Math.min(shortAtMs(server, nowMs), server.lastRequestAtMs + times.refreshIntervalMs),
  );
}

/** When the quota in hand is (or, by expiry, will be) too little to last. */
function shortAtMs(server: Server, nowMs: number): number {
  const wantedBytes = server.latestQuotaBytes * REQUEST_AHEAD_FRACTION;
  const lasting: { untilMs: number; bytes: number }[] = [];
  for (const grant of server.grants.values()) {
    let bytes = 0;
    for (const channel of grant.channels) bytes += quotaLeftBytes(channel);
    lasting.push({ untilMs: grant.expiresAtMs - grant.lifetimeMs * EXPIRY_AHEAD_FRACTION, bytes });
  }
  lasting.sort((a, b) => b.untilMs - a.untilMs);
  let bytes = 0;
  for (const grant of lasting) {
    bytes += grant.bytes;
    if (bytes >= wantedBytes && bytes > 0) return grant.untilMs;
  }
  return nowMs;
}
