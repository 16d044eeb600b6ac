/** An agent's connection to one server in a scaled world (scale-world.ts), with its reconnect loop. */
import { reconnectDelayMs } from '@sluice/agent/uplink/backoff';
import type { Random } from '@sluice/base/random';
import type { UntimedAgentEvent } from '@sluice/protocol/agent-events';
import type { AgentId } from '@sluice/protocol/model';
import type { UntimedServerEvent } from '@sluice/protocol/server-events';
import type { ScaleHost } from './scale-host.ts';
import type { AgentEnd, ScaleServer } from './scale-server.ts';

/** What a failed attempt to connect takes when nothing listens. */
const REFUSED_CONNECTION_MS = 1;

/** The agent that the connection belongs to. */
export interface LinkedAgent {
  readonly id: AgentId;
  readonly random: Random;
  dispatch(event: UntimedAgentEvent): void;
}

export class ScaleLink implements AgentEnd {
  readonly server: ScaleServer;
  readonly #world: ScaleHost;
  readonly #agent: LinkedAgent;
  readonly #delayMs: number;
  #failures = 0;
  /** Counts connections: what was sent on an earlier one is lost. */
  #life = 0;
  #isConnected = false;

  /** @param delayMs one way. */
  constructor(world: ScaleHost, agent: LinkedAgent, server: ScaleServer, delayMs: number) {
    this.#world = world;
    this.#agent = agent;
    this.server = server;
    this.#delayMs = delayMs;
  }

  connect(): void {
    const roundTripMs = 2 * this.#delayMs;
    if (!this.server.isUp) {
      this.#world.after(roundTripMs + REFUSED_CONNECTION_MS, () => this.#again());
      return;
    }
    const life = this.#life;
    // TCP, then Hello and Welcome.
    this.#world.after(roundTripMs + this.#delayMs, () => {
      if (!this.server.isUp) {
        this.#again();
        return;
      }
      this.server.connected(this.#agent.id, this);
      this.#world.after(this.#delayMs, () => {
        if (life !== this.#life) return;
        this.#isConnected = true;
        this.#agent.dispatch({ type: 'server_connected', serverId: this.server.id });
      });
    });
  }

  broken(): void {
    this.#life += 1;
    // The connection had lived long: the pauses start from the least again.
    if (this.#isConnected) this.#failures = 0;
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    if (wasConnected) this.#agent.dispatch({ type: 'server_disconnected', serverId: this.server.id });
    this.#again();
  }

  toAgent(event: UntimedAgentEvent): void {
    this.#later(() => this.#agent.dispatch(event));
  }

  /** @param event is made when it arrives. */
  toServer(event: () => UntimedServerEvent): void {
    this.#later(() => this.server.dispatch(event()));
  }

  #later(arrive: () => void): void {
    const life = this.#life;
    this.#world.after(this.#delayMs, () => {
      if (life === this.#life) arrive();
    });
  }

  #again(): void {
    this.#failures += 1;
    this.#world.after(reconnectDelayMs(this.#failures, this.#agent.random.next()), () => this.connect());
  }
}
