/**
 * U23: an urgent block whose server does not answer in about twice its usual time goes to the next server as well, marked (U14).
 *
 * Invariants: a block has two copies on their way at most, at two servers; copies stay within their part of the urgent bytes, so
 * that they add next to nothing when all servers are slow; nothing is hedged to a server that is late itself.
 */
import type { Channel, Flight, Server } from './agent-state.ts';
import { isOlder } from './block-heap.ts';
import { chooseOfAll } from './channel-choice.ts';
import type { KnownServers } from './known-servers.ts';
import { HEDGE_AFTER_USUAL_TIMES, HEDGE_FRACTION, HEDGE_LEAST_MS, HEDGE_UNKNOWN_MS } from './limits.ts';

/** A copy to send. */
export interface Hedge {
  readonly flight: Flight;
  readonly channel: Channel;
}

export class Hedging {
  readonly #servers: KnownServers;
  readonly #mostBytes: number;
  #creditBytes: number;

  /** @param mostBytes what may be saved up, and what there is at the start; 0: nothing is hedged */
  constructor(mostBytes: number, servers: KnownServers) {
    this.#mostBytes = mostBytes;
    this.#creditBytes = mostBytes;
    this.#servers = servers;
  }

  /** An urgent block was sent for the first time. */
  earned(rawBytes: number): void {
    this.#creditBytes = Math.min(this.#mostBytes, this.#creditBytes + rawBytes * HEDGE_FRACTION);
  }

  spent(rawBytes: number): void {
    this.#creditBytes -= rawBytes;
  }

  /**
   * The next copy to send: of each server the block that waits longest is looked at, and of these the oldest goes. Undefined when
   * none is due, or none can go.
   */
  next(
    order: readonly Channel[],
    hasWindow: (channel: Channel) => boolean,
    nowMs: number,
    awakeMs: number,
  ): Hedge | undefined {
    let next: Hedge | undefined;
    for (const server of this.#servers.all()) {
      const [flight] = server.urgentFlights;
      if (flight === undefined || hedgedAtMs(server, flight) > awakeMs) continue;
      if (next !== undefined && isOlder(next.flight.entry, flight.entry)) continue;
      if (flight.entry.header.rawBytes > this.#creditBytes) continue;
      const isOther = (channel: Channel): boolean =>
        channel.server !== server && !isLate(channel.server, awakeMs);
      const others = order.filter(isOther);
      const channel = chooseOfAll(others, flight.entry, nowMs, hasWindow);
      if (channel !== undefined) next = { flight, channel };
    }
    return next;
  }

  /** When the next copy is due by the passing of time alone, awake; Infinity when none is. */
  dueMs(awakeMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const server of this.#servers.all()) {
      const [flight] = server.urgentFlights;
      if (flight === undefined) continue;
      const atMs = hedgedAtMs(server, flight);
      // What is due and could not be sent waits for an event: quota, credit, an answer.
      if (atMs > awakeMs) dueMs = Math.min(dueMs, atMs);
    }
    return dueMs;
  }
}

/** How long a server may take for an answer before it is late. */
function patienceMs({ pace }: Server): number {
  if (pace.usualMs === undefined) return HEDGE_UNKNOWN_MS;
  return Math.max(HEDGE_LEAST_MS, HEDGE_AFTER_USUAL_TIMES * pace.usualMs);
}

function hedgedAtMs(server: Server, { mark }: Flight): number {
  return mark.sentAtMs + patienceMs(server);
}

/** Whether the server owes an answer for longer than it usually takes. */
function isLate(server: Server, awakeMs: number): boolean {
  return server.owesSinceMs !== undefined && awakeMs >= server.owesSinceMs + patienceMs(server);
}
