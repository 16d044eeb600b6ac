/**
 * M7: the priorities of all channels of all servers, as one order (U6): priority, then the server's place among equals for this
 * agent, then server id (by UTF-16 code units), then the server's own order.
 *
 * Invariant: the list is always sorted; it holds each channel once.
 */
import type { Channel } from './agent-state.ts';
import type { AgentId, ServerId } from './model.ts';
import { compareOfServer, insertChannel } from './server-order.ts';

/** The order of all channels, as one agent sees it. */
export class ChannelOrder {
  readonly channels: Channel[] = [];
  readonly #agentId: string;

  /** @param agentId whose order it is: different agents prefer different ones of equal servers */
  constructor(agentId: AgentId | undefined) {
    this.#agentId = agentId ?? '';
  }

  add(channel: Channel): void {
    insertChannel(this.channels, channel, (a, b) => this.#compare(a, b));
  }

  #compare(a: Channel, b: Channel): number {
    if (a.priority !== b.priority) return a.priority - b.priority;
    if (a.serverId === b.serverId) return compareOfServer(a, b);
    const places = placeOf(this.#agentId, a.serverId) - placeOf(this.#agentId, b.serverId);
    if (places !== 0) return places;
    return a.serverId < b.serverId ? -1 : 1;
  }
}

/**
 * The server's place among servers of equal priority: rendezvous hashing, so that the agents spread over them, and only those
 * of a server that is gone change. FNV-1a, 32 bits, over the UTF-16 code units of agent and server id, and mixed after it.
 */
export function placeOf(agentId: string, serverId: ServerId): number {
  let hash = 0x811c9dc5;
  for (const text of [agentId, '\0', serverId]) {
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
  }
  // FNV's last unit reaches the low bits only; the finalizer of MurmurHash3.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
