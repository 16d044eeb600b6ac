/**
 * The servers that the agent knows by name (U19).
 *
 * Invariants: at most {@link MAX_SERVERS_REMEMBERED} and those that are connected; of a server that is not connected nothing
 * is lost when it is forgotten but its name.
 */
import type { Server } from './agent-state.ts';
import { createServer } from './agent-state.ts';
import { MAX_SERVERS_REMEMBERED } from './limits.ts';
import type { ServerId } from './model.ts';

export class KnownServers {
  readonly #servers = new Map<ServerId, Server>();
  readonly #firstWindowBytes: number | undefined;

  /** @param firstWindowBytes of a server of which is not known how fast it answers */
  constructor(firstWindowBytes: number | undefined) {
    this.#firstWindowBytes = firstWindowBytes;
  }

  /** The server; a new one, not connected, when it is not known. */
  named(serverId: ServerId): Server {
    let server = this.#servers.get(serverId);
    if (server === undefined) {
      server = createServer(serverId, this.#firstWindowBytes);
      this.#servers.set(serverId, server);
      if (this.#servers.size > MAX_SERVERS_REMEMBERED) this.#forgetOther(serverId);
    }
    return server;
  }

  /** The server, if it is known. */
  find(serverId: ServerId): Server | undefined {
    return this.#servers.get(serverId);
  }

  all(): IterableIterator<Server> {
    return this.#servers.values();
  }

  ids(): IterableIterator<ServerId> {
    return this.#servers.keys();
  }

  /** Its connection ended: what was known of it is over. */
  disconnected(serverId: ServerId): void {
    this.#servers.set(serverId, createServer(serverId, this.#firstWindowBytes));
  }

  #forgetOther(newId: ServerId): void {
    for (const { serverId, connected } of this.#servers.values()) {
      if (connected || serverId === newId) continue;
      this.#servers.delete(serverId);
      return;
    }
  }
}
