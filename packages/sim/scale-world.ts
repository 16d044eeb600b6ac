/**
 * Very many agents and servers around the real state machines, as lean as can be: no crashes but a common outage of all
 * servers, journals that are emptied at a fixed rate, and a network with nothing but delay. For figures of scale; what
 * goes wrong in all other ways is simulated elsewhere in this package.
 *
 * Invariants: virtual time only; same options, same run; each block is made once and counted when it is acknowledged.
 */
import { Random } from '@sluice/base/random';
import { EventQueue } from './event-queue.ts';
import { ScaleAgent } from './scale-agent.ts';
import type { Delivery, ScaleHost, ScaleOptions } from './scale-host.ts';
import { ScaleServer } from './scale-server.ts';

/** What happened in one second at all servers together, and at the busiest. */
export interface Second {
  readonly connections: number;
  readonly requests: number;
  readonly refusals: number;
  readonly mostRequestsAtOneServer: number;
  /** Requests that wait for room at the end of the second, at all servers. */
  readonly deferred: number;
  readonly heldBytes: number;
  /** Made and not acknowledged. */
  readonly waitingBytes: number;
}

export class ScaleWorld implements ScaleHost {
  readonly options: ScaleOptions;
  readonly seconds: Second[] = [];
  readonly deliveries: Delivery[] = [];
  readonly #queue = new EventQueue();
  readonly #agents: ScaleAgent[];
  readonly #servers: ScaleServer[];
  nowMs = 0;
  blocksMade = 0;
  bytesMade = 0;
  bytesDelivered = 0;
  /** Wall time in the machines of all servers, and their steps. */
  serverWallMs = 0;
  serverSteps = 0;
  agentSteps = 0;

  constructor(options: ScaleOptions) {
    this.options = options;
    const random = new Random(options.seed, 'scale');
    this.#servers = Array.from({ length: options.servers }, (_, index) => new ScaleServer(this, index));
    this.#agents = Array.from({ length: options.agents }, (_, index) => {
      const servers = new Set<ScaleServer>();
      while (servers.size < Math.min(options.serversPerAgent, options.servers)) {
        const server = this.#servers[random.int(0, options.servers - 1)];
        if (server !== undefined) servers.add(server);
      }
      return new ScaleAgent(this, index, [...servers], random.int(1, 2 ** 30));
    });
  }

  after(ms: number, action: () => void): void {
    this.#queue.add(this.nowMs + ms, action);
  }

  /** Runs until everything that was made is acknowledged, or the limit is reached. Returns whether it drained. */
  run(): boolean {
    const { outageFromMs, outageMs, productionMs, limitMs } = this.options;
    for (const server of this.#servers) server.start();
    for (const agent of this.#agents) agent.start();
    this.after(outageFromMs, () => {
      for (const server of this.#servers) server.stop();
    });
    this.after(outageFromMs + outageMs, () => {
      for (const server of this.#servers) server.start();
    });
    this.after(1000, () => this.#second());
    while (this.nowMs < limitMs) {
      if (this.nowMs > productionMs && this.bytesDelivered === this.bytesMade) return true;
      const next = this.#queue.takeFirst();
      if (next === undefined) return false;
      this.nowMs = next.atMs;
      next.action();
    }
    return false;
  }

  #second(): void {
    const sum = (of: (server: ScaleServer) => number): number =>
      this.#servers.reduce((total, server) => total + of(server), 0);
    this.seconds.push({
      connections: sum((server) => server.connections),
      requests: sum((server) => server.requests),
      refusals: sum((server) => server.refusals),
      mostRequestsAtOneServer: Math.max(...this.#servers.map((server) => server.requests)),
      deferred: sum((server) => server.unanswered),
      heldBytes: sum((server) => server.heldBytes),
      waitingBytes: this.bytesMade - this.bytesDelivered,
    });
    for (const server of this.#servers) server.resetCounts();
    this.after(1000, () => this.#second());
  }
}
