/**
 * M6, M8: a part on the highest channel of one server, then, if logs remain, a part on the next (U7).
 *
 * Invariant: a lower channel is chosen only when no higher one has room.
 */
import type { BlockEntry, Channel } from './agent-state.ts';
import { hasRoom } from './channel-room.ts';

/**
 * The highest of one server's channels with room for the block.
 * @param order of that server (server-order.ts)
 * @param hasWindow whether the server's window is open: it is the same for all of its channels
 */
export function chooseOfServer(
  order: readonly Channel[],
  entry: BlockEntry,
  nowMs: number,
  hasWindow: (channel: Channel) => boolean,
): Channel | undefined {
  for (const channel of order) {
    if (hasRoom(channel, entry, nowMs)) return hasWindow(channel) ? channel : undefined;
  }
  return undefined;
}
