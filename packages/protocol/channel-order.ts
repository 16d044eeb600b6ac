/**
 * M6, M7, M8: the order of all channels of all servers, and which of them takes a block.
 *
 * Order (U6): priority, then server id (by UTF-16 code units), then arrival of the grant, then channel number.
 *
 * Invariants: the list is always sorted; it holds each channel once; looking for room goes from the highest down, so a
 * lower channel is used only when no higher one has room.
 */
import type { BlockEntry, Channel } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import type { ServerId } from './model.ts';

/** Negative when a comes before b. A total order: no two channels are equal. */
function compareChannels(a: Channel, b: Channel): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.serverId !== b.serverId) return a.serverId < b.serverId ? -1 : 1;
  if (a.grant.arrival !== b.grant.arrival) return a.grant.arrival - b.grant.arrival;
  return a.channel - b.channel;
}

/** Puts a channel into its place in the sorted list. */
export function insertChannel(order: Channel[], channel: Channel): void {
  let index = order.length;
  for (; index > 0; index -= 1) {
    const before = order[index - 1];
    if (before === undefined || compareChannels(before, channel) <= 0) break;
  }
  order.splice(index, 0, channel);
}

/** Takes a channel out of the list, if it is in it. */
export function removeChannel(order: Channel[], channel: Channel): void {
  const index = order.indexOf(channel);
  if (index >= 0) order.splice(index, 1);
}

/** Whether the channel may take a block of this size now (U4, U8, U13). */
function hasRoom(channel: Channel, entry: BlockEntry, nowMs: number): boolean {
  if (channel.stalled || channel.pausedUntilMs > nowMs || channel.grant.expiresAtMs <= nowMs) return false;
  return hasQuota(channel, entry);
}

/** Whether what is left of the channel's quota, less its reserve unless the block is urgent, is enough for the block. */
export function hasQuota(channel: Channel, entry: BlockEntry): boolean {
  const reserved = entry.rank === 0 ? 0 : channel.reservedForUrgentBytes;
  return quotaLeftBytes(channel) - reserved >= entry.header.rawBytes;
}

/**
 * The highest channel with room for the block (U7); of one server only, when the block is bound to it (U14). When the
 * window of its server is full, a channel of equal priority at another server may take the block, a lower one may not.
 */
export function chooseChannel(
  order: readonly Channel[],
  entry: BlockEntry,
  boundTo: ServerId | undefined,
  nowMs: number,
  hasWindow: (channel: Channel) => boolean = () => true,
): Channel | undefined {
  let highest = Number.POSITIVE_INFINITY;
  for (const channel of order) {
    if (boundTo !== undefined && channel.serverId !== boundTo) continue;
    if (channel.priority > highest) return undefined;
    if (!hasRoom(channel, entry, nowMs)) continue;
    if (hasWindow(channel)) return channel;
    highest = channel.priority;
  }
  return undefined;
}
