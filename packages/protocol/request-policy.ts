/**
 * M2: when to ask a server, and what to close then (U1, U2, U3). Each server is judged by itself, so a slow one delays no
 * other.
 *
 * Invariants: pure; no request before the time a refusal named; at most one unanswered request per server, which a
 * more urgent one may replace.
 */
import type { BlockEntry, Channel, Server } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { hasQuota } from './channel-room.ts';
import {
  EXPIRY_AHEAD_FRACTION,
  MAX_REQUESTS_REMEMBERED,
  MIN_REQUEST_INTERVAL_MS,
  REQUEST_AHEAD_FRACTION,
} from './limits.ts';
import { URGENCY_CLASSES } from './model.ts';
import { chooseOfServer } from './server-choice.ts';

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
  const answersRecall = server.recalled && server.closedChannels.length > 0;
  if (answersRecall && server.askedIds.length < MAX_REQUESTS_REMEMBERED) return earliest;
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

/** Why the server is asked now, in words for people: the first of the reasons of {@link requestDueMs} that holds. */
export function requestReason(server: Server, need: Need, times: RequestTimes, nowMs: number): string {
  if (server.recalled && server.closedChannels.length > 0) return 'quota was asked back';
  if (server.lastRequestAtMs === Number.NEGATIVE_INFINITY) return 'connected';
  if (server.waitingSinceMs !== undefined)
    return need.unfitRank !== undefined && need.unfitRank < server.askedRank
      ? 'something more urgent waits'
      : 'no answer';
  if (need.unfitRank !== undefined) return 'the next block fits no quota';
  if (need.runsOut === true) return 'more waits than quota is left';
  return nowMs >= server.lastRequestAtMs + times.refreshIntervalMs
    ? 'refresh'
    : 'quota is half used, or ends';
}

/** What the server should be asked for. */
export function needOf(server: Server, backlog: Backlog, windowBytes: number, nowMs: number): Need {
  if (!server.connected) return { unfitRank: undefined };
  const { serverId, order } = server;
  const isUnfit = (entry: BlockEntry | undefined): boolean =>
    entry !== undefined && chooseOfServer(order, entry, nowMs, () => true) === undefined;
  let unfitRank: number | undefined;
  // Asked for each server at each step: without lists.
  for (let rank = 0; rank < URGENCY_CLASSES.length && unfitRank === undefined; rank += 1) {
    if (!backlog.waits(rank)) continue;
    if (isUnfit(backlog.firstWaiting(rank)) || isUnfit(backlog.firstBound(serverId, rank))) unfitRank = rank;
  }
  let quotaBytes = 0;
  for (const grant of server.grants.values()) {
    for (const channel of grant.channels) quotaBytes += quotaLeftBytes(channel);
  }
  return { unfitRank, runsOut: quotaBytes < Math.min(backlog.unsentBytes, windowBytes) };
}

/**
 * The channels to close with a request: what is left of earlier grants and fits no block that is next would lie idle until
 * they end. The latest grant keeps its own.
 */
export function remainsOf(server: Server, backlog: Backlog): Channel[] {
  const firsts = backlog.waitingRanks.flatMap((rank) => backlog.firstsAt(server.serverId, rank));
  if (firsts.length === 0) return [];
  const earlier = [...server.grants.values()].filter(({ arrival }) => arrival !== server.latestArrival);
  const isOfUse = (channel: Channel): boolean =>
    channel.server.stalled || firsts.some((entry) => hasQuota(channel, entry));
  return earlier.flatMap(({ channels }) =>
    channels.filter((channel) => quotaLeftBytes(channel) > 0 && !isOfUse(channel)),
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
