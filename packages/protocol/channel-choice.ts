/**
 * M7, M8: a part on the highest channel of all servers, then, if logs remain, a part on the next, whichever server it belongs to
 * (U7).
 *
 * Invariant: a lower channel is chosen only when no higher one has room.
 */
import type { BlockEntry, Channel } from './agent-state.ts';
import { hasRoom } from './channel-room.ts';

/**
 * The highest channel with room for the block. When the window of its server is full, a channel of equal priority at another
 * server may take the block, a lower one may not: a full window must not turn into a priority violation.
 *
 * @param order of all servers (channel-order.ts)
 * @param hasWindow whether the window of the channel's server is open
 */
export function chooseOfAll(
  order: readonly Channel[],
  entry: BlockEntry,
  nowMs: number,
  hasWindow: (channel: Channel) => boolean,
): Channel | undefined {
  let highest = Number.POSITIVE_INFINITY;
  for (const channel of order) {
    if (channel.priority > highest) return undefined;
    if (!hasRoom(channel, entry, nowMs)) continue;
    if (hasWindow(channel)) return channel;
    highest = channel.priority;
  }
  return undefined;
}
