/**
 * One connection between an agent and a server as both ends see it: a control stream and channel streams, each in order
 * by itself, none in order with another (HTTP/2 streams, and servers that validate blocks side by side).
 *
 * Invariants: within one stream and direction, what is sent first arrives first; after the cut nothing that is still on
 * its way arrives; each end learns of the end exactly once, in its own time.
 */
import type { Random } from '@sluice/base/random';
import type { World } from './world.ts';

/** A computer's way to a server: partitions block it for every connection. */
export interface Route {
  blockedUntilMs: number;
}

export interface ConnectionEnd {
  /** The connection is over, seen from this end. */
  closed(connection: Connection): void;
}

type Direction = 'up' | 'down';

/** A peer that does not answer pings is left after 10 to 15 s (ping interval and timeout of the real programs). */
export const PING_NOTICES_AFTER_MS: readonly [least: number, most: number] = [10_000, 15_000];
/** The longest delay of one message: a connection that is slower than this is given up by its pings. */
const MOST_SPIKE_MS = 9_500;
/** How long bytes of a process that died may still arrive. */
const AFTERLIFE_MS = 60;

export class Connection {
  readonly #world: World;
  readonly #route: Route;
  readonly #ends: Readonly<Record<Direction, ConnectionEnd>>;
  readonly #open: Record<Direction, boolean> = { up: true, down: true };
  readonly #arrivals = new Map<string, number>();
  readonly #cutStreams = new Set<string>();
  #cutAtMs = Number.POSITIVE_INFINITY;

  /** @param ends `down` is the agent (messages go down to it), `up` is the server. */
  constructor(
    world: World,
    route: Route,
    ends: { readonly up: ConnectionEnd; readonly down: ConnectionEnd },
  ) {
    this.#world = world;
    this.#route = route;
    this.#ends = ends;
  }

  /** Puts a message on a stream; it may never arrive. */
  send(direction: Direction, stream: string, bytes: number, deliver: () => void): void {
    const sender = direction === 'up' ? 'down' : 'up';
    if (!this.#open[sender]) return;
    const { nowMs } = this.#world;
    const way = `${direction}/${stream}`;
    const startMs = Math.max(nowMs, this.#arrivals.get(way) ?? 0);
    const transferMs = Math.round(bytes / this.#world.options.bytesPerMs);
    const atMs =
      Math.max(startMs, Math.max(nowMs, this.#route.blockedUntilMs) + delayMs(this.#world)) + transferMs;
    this.#arrivals.set(way, atMs);
    this.#world.after(atMs - nowMs, () => {
      if (this.#cutAtMs < atMs || !this.#open[direction] || this.#cutStreams.has(stream)) return;
      deliver();
    });
  }

  /** Nothing more of this stream arrives, in either direction. */
  cutStream(stream: string): void {
    this.#cutStreams.add(stream);
  }

  /** One end closes (or its process died): the other learns of it, if it can, or misses the pings. */
  close(end: Direction): void {
    if (!this.#open[end]) return;
    this.#open[end] = false;
    const { network } = this.#world.chance;
    this.#cutAtMs = Math.min(this.#cutAtMs, this.#world.nowMs + network.int(0, AFTERLIFE_MS));
    const other = end === 'up' ? 'down' : 'up';
    const isHeard = this.#route.blockedUntilMs <= this.#world.nowMs && !network.chance(0.1);
    this.#endLater(other, isHeard ? delayMs(this.#world) : pingMs(network));
  }

  /** The network loses the connection: both ends learn of it, each in its time. */
  break(): void {
    const { network } = this.#world.chance;
    this.#cutAtMs = Math.min(this.#cutAtMs, this.#world.nowMs + network.int(0, AFTERLIFE_MS));
    for (const end of ['up', 'down'] as const) {
      this.#endLater(end, network.chance(0.7) ? delayMs(this.#world) : pingMs(network));
    }
  }

  /** A partition that lasts longer than the pings allow. */
  starve(): void {
    const { network } = this.#world.chance;
    this.#cutAtMs = Math.min(this.#cutAtMs, this.#world.nowMs);
    for (const end of ['up', 'down'] as const) this.#endLater(end, pingMs(network));
  }

  #endLater(end: Direction, afterMs: number): void {
    this.#world.after(afterMs, () => {
      if (!this.#open[end]) return;
      this.#open[end] = false;
      this.#ends[end].closed(this);
    });
  }
}

/** The time that one message takes. */
export function delayMs(world: World): number {
  const { network } = world.chance;
  const { leastDelayMs, mostDelayMs, faults } = world.options;
  const delay = network.skewed(leastDelayMs, mostDelayMs);
  return world.isFaulty && network.chance(faults.delaySpikes)
    ? delay + network.skewed(100, MOST_SPIKE_MS)
    : delay;
}

function pingMs(random: Random): number {
  return random.int(...PING_NOTICES_AFTER_MS);
}
