/** Whether a channel takes a block now (U4, U8, U13). */
import type { BlockEntry, Channel } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';

/** Whether what is left of the channel's quota, less its reserve unless the block is urgent, is enough for the block. */
export function hasQuota(channel: Channel, entry: BlockEntry): boolean {
  const reserved = entry.rank === 0 ? 0 : channel.reservedForUrgentBytes;
  return quotaLeftBytes(channel) - reserved >= entry.header.rawBytes;
}

/** Whether the channel may take a block of this size now; its server's window is another matter. */
export function hasRoom(channel: Channel, entry: BlockEntry, nowMs: number): boolean {
  if (channel.server.stalled || channel.pausedUntilMs > nowMs || channel.grant.expiresAtMs <= nowMs)
    return false;
  return hasQuota(channel, entry);
}
