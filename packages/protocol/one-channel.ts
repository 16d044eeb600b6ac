/** M5: a single channel takes all that fits it (U5): there is nothing to order. */
import type { BlockEntry, Channel } from './agent-state.ts';
import { hasRoom } from './channel-room.ts';

/** The channel, when it takes the block now. @param hasWindow whether its server's window is open */
export function chooseOnly(
  channel: Channel,
  entry: BlockEntry,
  nowMs: number,
  hasWindow: (channel: Channel) => boolean,
): Channel | undefined {
  return hasRoom(channel, entry, nowMs) && hasWindow(channel) ? channel : undefined;
}
