/**
 * M9, M10: whether using a channel violates the priorities (U9), and what the server is told (U10).
 *
 * The highest priority of a server is taken over all channels of its grants that still have quota on any channel: a
 * higher channel that has just been used up still ranks its server. What a server still holds is only what has quota
 * left and is not stalled: nobody yields to a stuck server.
 *
 * Invariants: pure; equal priorities violate nothing; a server never outranks itself.
 */
import type { Channel, LiveGrant, Server } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import type { OutrankingServer, PriorityViolationNotice } from './model.ts';

/** The notice for the first use of a channel, before its bytes are counted; undefined when it violates nothing. */
export function noticeFor(
  channel: Channel,
  servers: Iterable<Server>,
  nowMs: number,
): PriorityViolationNotice | undefined {
  const others: Server[] = [];
  let ownHighest = Number.POSITIVE_INFINITY;
  for (const server of servers) {
    if (server.serverId === channel.serverId) ownHighest = highestPriority(server, nowMs);
    else others.push(server);
  }
  const outrankedBy: OutrankingServer[] = [];
  for (const server of others) {
    const highest = highestPriority(server, nowMs);
    if (highest >= ownHighest) continue;
    const heldPriorities = prioritiesHeld(server, nowMs);
    const lowest = heldPriorities.at(-1);
    if (lowest === undefined || lowest <= channel.priority) continue;
    outrankedBy.push({ serverId: server.serverId, highestPriority: highest, heldPriorities });
  }
  if (outrankedBy.length === 0) return undefined;
  outrankedBy.sort((a, b) => a.highestPriority - b.highestPriority || (a.serverId < b.serverId ? -1 : 1));
  return {
    grantId: channel.grant.grantId,
    channel: channel.channel,
    priority: channel.priority,
    outrankedBy,
  };
}

function highestPriority(server: Server, nowMs: number): number {
  let highest = Number.POSITIVE_INFINITY;
  for (const grant of server.grants.values()) {
    if (!isHeld(grant, nowMs)) continue;
    for (const channel of grant.channels) {
      if (!channel.ended && channel.priority < highest) highest = channel.priority;
    }
  }
  return highest;
}

function isHeld(grant: LiveGrant, nowMs: number): boolean {
  return grant.expiresAtMs > nowMs && grant.channels.some((channel) => quotaLeftBytes(channel) > 0);
}

function prioritiesHeld(server: Server, nowMs: number): number[] {
  const held = new Set<number>();
  for (const grant of server.grants.values()) {
    if (grant.expiresAtMs <= nowMs) continue;
    for (const channel of grant.channels) {
      if (quotaLeftBytes(channel) > 0 && !channel.stalled) held.add(channel.priority);
    }
  }
  return [...held].sort((a, b) => a - b);
}
