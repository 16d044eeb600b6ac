/**
 * M9, M10: whether using a channel violates the priorities (U9), and what the server is told (U10).
 *
 * A channel that cannot carry a block that is next is not held, and a grant without one that can ranks nobody (U24). The highest
 * priority of a server is taken over all channels of its grants that hold any: a higher channel that has just been used up
 * still ranks its server. Nobody yields to a stalled server.
 *
 * Invariants: pure; equal priorities violate nothing; a server never outranks itself.
 */
import type { BlockEntry, Channel, LiveGrant, Server } from './agent-state.ts';
import { hasQuota } from './channel-room.ts';
import type { OutrankingServer, PriorityViolationNotice } from './model.ts';

/** The blocks that are next at a server: of each class, besides the one that is sent. */
export type NextBlocks = (server: Server) => readonly BlockEntry[];

/**
 * The notice for a use of a channel, before the block's bytes are counted; undefined when it violates nothing.
 * @param late a server that is not waited for any more, because of which the block goes to another one (U23)
 */
export function noticeFor(
  channel: Channel,
  servers: Iterable<Server>,
  nextBlocks: NextBlocks,
  late: Server | undefined,
  nowMs: number,
): PriorityViolationNotice | undefined {
  let ownHighest: number | undefined;
  const outrankedBy: OutrankingServer[] = [];
  for (const server of servers) {
    if (server === channel.server || server === late || server.stalled || server.grants.size === 0) continue;
    ownHighest ??= highestPriority(channel.server, nextBlocks(channel.server), nowMs);
    const blocks = nextBlocks(server);
    const highest = highestPriority(server, blocks, nowMs);
    if (highest >= ownHighest) continue;
    const heldPriorities = prioritiesHeld(server, blocks, nowMs);
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

function highestPriority(server: Server, blocks: readonly BlockEntry[], nowMs: number): number {
  let highest = Number.POSITIVE_INFINITY;
  for (const grant of server.grants.values()) {
    if (!isLive(grant, nowMs) || !grant.channels.some((channel) => isHeld(channel, blocks))) continue;
    for (const channel of grant.channels) {
      // One that was never used and carries nothing was never of use: it ranks nobody.
      const ranks = !channel.ended && (channel.usedBytes > 0 || isHeld(channel, blocks));
      if (ranks && channel.priority < highest) highest = channel.priority;
    }
  }
  return highest;
}

function prioritiesHeld(server: Server, blocks: readonly BlockEntry[], nowMs: number): number[] {
  const held = new Set<number>();
  for (const grant of server.grants.values()) {
    if (!isLive(grant, nowMs)) continue;
    for (const channel of grant.channels) if (isHeld(channel, blocks)) held.add(channel.priority);
  }
  return [...held].sort((a, b) => a - b);
}

function isLive(grant: LiveGrant, nowMs: number): boolean {
  return grant.expiresAtMs > nowMs;
}

function isHeld(channel: Channel, blocks: readonly BlockEntry[]): boolean {
  return !channel.ended && blocks.some((entry) => hasQuota(channel, entry));
}
