/**
 * Which channel takes a block (U5, U6, U7): counts the channels in hand, and leaves the choice to the step of the method that is
 * made for so many: one channel (M5), several of one server (M6), several of several servers (M7).
 */
import type { BlockEntry, Channel } from './agent-state.ts';
import { chooseOfAll } from './channel-choice.ts';
import { countChannels } from './channel-count.ts';
import type { KnownServers } from './known-servers.ts';
import type { ServerId } from './model.ts';
import { chooseOnly } from './one-channel.ts';
import { chooseOfServer } from './server-choice.ts';

const ANY = (): boolean => true;

/**
 * @param order all channels of all servers (channel-order.ts)
 * @param serverId the only server that the block may go to; any when undefined
 * @param hasWindow whether the window of the channel's server is open for the block. Default: it is.
 */
export function chooseChannel(
  order: readonly Channel[],
  servers: KnownServers,
  entry: BlockEntry,
  serverId: ServerId | undefined,
  nowMs: number,
  hasWindow: (channel: Channel) => boolean = ANY,
): Channel | undefined {
  const [highest] = order;
  if (highest === undefined) return undefined;
  if (countChannels(order) === 'one') {
    const isAllowed = serverId === undefined || highest.serverId === serverId;
    return isAllowed ? chooseOnly(highest, entry, nowMs, hasWindow) : undefined;
  }
  const server = serverId === undefined ? highest.server : servers.find(serverId);
  if (server === undefined) return undefined;
  if (serverId !== undefined || server.order.length === order.length) {
    return chooseOfServer(server.order, entry, nowMs, hasWindow);
  }
  return chooseOfAll(order, entry, nowMs, hasWindow);
}
