/**
 * Very many agents and servers around the real state machines, as lean as can be: no crashes but a common outage of all
 * servers, journals that are emptied at a fixed rate, and a network with nothing but delay. For figures of scale; what
 * goes wrong in all other ways is simulated elsewhere in this package.
 *
 * Invariants: virtual time only; same options, same run; each block is made once and counted when it is acknowledged.
 */
import { reconnectDelayMs } from '@sluice/agent/uplink/backoff';
import { Random } from '@sluice/base/random';
import type { AgentEvent } from '@sluice/protocol/agent-events';
import { type AgentMachine, createAgentMachine } from '@sluice/protocol/agent-machine';
import { contentDigest, timeMs } from '@sluice/protocol/brand';
import type { AgentId, BlockHeader, ServerId, UrgencyClass } from '@sluice/protocol/model';
import { blockKey } from '@sluice/protocol/model';
import type { ServerEvent } from '@sluice/protocol/server-events';
import { createServerMachine, type ServerMachine } from '@sluice/protocol/server-machine';
import { EventQueue } from './event-queue.ts';

/** Sizes in bytes, times in virtual ms. */
export interface ScaleOptions {
  readonly seed: number;
  readonly agents: number;
  readonly servers: number;
  /** How many of the servers each agent is configured with. */
  readonly serversPerAgent: number;
  readonly journalBytes: number;
  /** What a server loads in a second. */
  readonly loadedBytesPerSecond: number;
  /** What an agent seals: a block of this size, so often, on average. */
  readonly blockBytes: number;
  readonly blockIntervalMs: number;
  /** Part of the blocks that is urgent, and small. */
  readonly urgentPart: number;
  readonly outageFromMs: number;
  readonly outageMs: number;
  /** After this, agents make no more blocks. */
  readonly productionMs: number;
  /** The run ends here, drained or not. */
  readonly limitMs: number;
}

const URGENT_BLOCK_BYTES = 2048;
/** One way, for an agent and all of its servers. */
const LEAST_DELAY_MS = 1;
const MOST_DELAY_MS = 20;
const COMMIT_MS = 5;
/** How often a loader takes what it has loaded out of the journal. */
const LOAD_INTERVAL_MS = 100;
/** What a failed attempt to connect takes when nothing listens. */
const REFUSED_CONNECTION_MS = 1;

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

/** An acknowledged block. */
export interface Delivery {
  readonly agent: number;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly sealedMs: number;
  readonly acknowledgedMs: number;
}

export class ScaleWorld {
  readonly options: ScaleOptions;
  readonly seconds: Second[] = [];
  readonly deliveries: Delivery[] = [];
  readonly #queue = new EventQueue();
  readonly #agents: SimAgent[];
  readonly #servers: SimServer[];
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
    this.#servers = Array.from({ length: options.servers }, (_, index) => new SimServer(this, index));
    this.#agents = Array.from({ length: options.agents }, (_, index) => {
      const servers = new Set<SimServer>();
      while (servers.size < Math.min(options.serversPerAgent, options.servers)) {
        const server = this.#servers[random.int(0, options.servers - 1)];
        if (server !== undefined) servers.add(server);
      }
      return new SimAgent(this, index, [...servers], random.int(1, 2 ** 30));
    });
  }

  get isUp(): boolean {
    const { outageFromMs, outageMs } = this.options;
    return this.nowMs < outageFromMs || this.nowMs >= outageFromMs + outageMs;
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
    const sum = (of: (server: SimServer) => number): number =>
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

class SimServer {
  readonly id: ServerId;
  readonly #world: ScaleWorld;
  #machine: ServerMachine | undefined;
  #life = 0;
  #wakeMs = 0;
  readonly #links = new Map<AgentId, Link>();
  /** Arrived and not durable; by key. */
  readonly #journaled = new Set<string>();
  heldBytes = 0;
  #writingBytes = 0;
  connections = 0;
  requests = 0;
  refusals = 0;
  readonly #unanswered = new Set<AgentId>();

  constructor(world: ScaleWorld, index: number) {
    this.#world = world;
    // A name as the configuration makes it.
    this.id = `s${index + 1}` as ServerId;
  }

  get isUp(): boolean {
    return this.#machine !== undefined;
  }

  /** Agents whose latest request waits. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  start(): void {
    this.#life += 1;
    const { journalBytes } = this.#world.options;
    const instance = `${this.id}.${this.#life}`;
    this.#machine = createServerMachine({ serverId: this.id, instance, journalBytes });
    this.#tellRoom();
    this.#load(this.#life);
  }

  /** All connections break; what was not durable is lost. */
  stop(): void {
    this.#life += 1;
    this.#machine = undefined;
    this.#writingBytes = 0;
    this.#unanswered.clear();
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) link.broken();
  }

  resetCounts(): void {
    this.connections = 0;
    this.requests = 0;
    this.refusals = 0;
  }

  connected(agentId: AgentId, link: Link): void {
    this.connections += 1;
    this.#links.set(agentId, link);
    this.step({ type: 'agent_connected', atMs: timeMs(this.#world.nowMs), agentId });
  }

  step(event: ServerEvent): void {
    if (this.#machine === undefined) return;
    if (event.type === 'request_received') {
      this.requests += 1;
      this.#unanswered.add(event.agentId);
    }
    const startMs = performance.now();
    const effects = this.#machine.step(event);
    this.#world.serverWallMs += performance.now() - startMs;
    this.#world.serverSteps += 1;
    for (const effect of effects) {
      if (effect.type === 'send_grant') {
        this.#unanswered.delete(effect.agentId);
        if (effect.grant.channels.length === 0) this.refusals += 1;
        const { grant } = effect;
        this.#links.get(effect.agentId)?.toAgent((serverId, atMs) => ({
          ...{ type: 'grant_received', atMs, serverId, grant },
        }));
      } else if (effect.type === 'journal_block') {
        if (event.type === 'block_arrived') this.#journal(event.block, this.#life);
      } else if (effect.type === 'acknowledge_block') {
        const { blockId } = effect;
        this.#links.get(effect.agentId)?.toAgent((serverId, atMs) => ({
          ...{ type: 'block_acknowledged', atMs, serverId, blockId },
        }));
      } else if (effect.type === 'refuse_block') {
        const { blockId, refusal } = effect;
        this.#links.get(effect.agentId)?.toAgent((serverId, atMs) => ({
          ...{ type: 'block_refused', atMs, serverId, blockId, refusal },
        }));
      } else if (effect.type === 'revoke') {
        const { grantId } = effect;
        this.#links.get(effect.agentId)?.toAgent((serverId, atMs) => ({
          ...{ type: 'revoked', atMs, serverId, ...(grantId === undefined ? {} : { grantId }) },
        }));
      } else if (effect.type === 'wake_at') {
        this.#wakeAt(effect.atMs, this.#life);
      }
    }
  }

  knows(block: BlockHeader): boolean {
    return this.#journaled.has(blockKey(block.id));
  }

  #journal(block: BlockHeader, life: number): void {
    this.#writingBytes += block.rawBytes;
    this.#world.after(COMMIT_MS, () => {
      if (life !== this.#life) return;
      this.#writingBytes -= block.rawBytes;
      this.heldBytes += block.rawBytes;
      this.#journaled.add(blockKey(block.id));
      this.step({ type: 'block_durable', atMs: timeMs(this.#world.nowMs), blockId: block.id });
    });
  }

  #load(life: number): void {
    if (life !== this.#life) return;
    const bytes = (this.#world.options.loadedBytesPerSecond * LOAD_INTERVAL_MS) / 1000;
    if (this.heldBytes > 0) {
      this.heldBytes = Math.max(0, this.heldBytes - bytes);
      this.#tellRoom();
    }
    this.#world.after(LOAD_INTERVAL_MS, () => this.#load(life));
  }

  #tellRoom(): void {
    const roomBytes = Math.floor(this.#world.options.journalBytes - this.heldBytes);
    this.step({ type: 'journal_room_changed', atMs: timeMs(this.#world.nowMs), roomBytes });
  }

  #wakeAt(atMs: number, life: number): void {
    this.#wakeMs = atMs;
    this.#world.after(Math.max(0, atMs - this.#world.nowMs), () => {
      if (life === this.#life && this.#wakeMs === atMs)
        this.step({ type: 'woken', atMs: timeMs(this.#world.nowMs) });
    });
  }
}

/** An agent's connection to one server, with its reconnect loop. */
class Link {
  readonly server: SimServer;
  readonly #world: ScaleWorld;
  readonly #agent: SimAgent;
  readonly #delayMs: number;
  #failures = 0;
  /** Counts connections: what was sent on an earlier one is lost. */
  #life = 0;
  #isConnected = false;

  constructor(world: ScaleWorld, agent: SimAgent, server: SimServer, delayMs: number) {
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
        this.#agent.step({
          ...{ type: 'server_connected', atMs: timeMs(this.#world.nowMs), serverId: this.server.id },
        });
      });
    });
  }

  broken(): void {
    this.#life += 1;
    // The connection had lived long: the pauses start from the least again.
    if (this.#isConnected) this.#failures = 0;
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    if (wasConnected) {
      const serverId = this.server.id;
      this.#agent.step({ type: 'server_disconnected', atMs: timeMs(this.#world.nowMs), serverId });
    }
    this.#again();
  }

  toAgent(event: (serverId: ServerId, atMs: AgentEvent['atMs']) => AgentEvent): void {
    const life = this.#life;
    this.#world.after(this.#delayMs, () => {
      if (life === this.#life) this.#agent.step(event(this.server.id, timeMs(this.#world.nowMs)));
    });
  }

  toServer(event: (atMs: ServerEvent['atMs']) => ServerEvent): void {
    const life = this.#life;
    this.#world.after(this.#delayMs, () => {
      if (life === this.#life) this.server.step(event(timeMs(this.#world.nowMs)));
    });
  }

  #again(): void {
    this.#failures += 1;
    this.#world.after(reconnectDelayMs(this.#failures, this.#agent.random.next()), () => this.connect());
  }
}

class SimAgent {
  readonly id: AgentId;
  readonly random: Random;
  readonly #world: ScaleWorld;
  readonly #index: number;
  readonly #machine: AgentMachine;
  readonly #links: Map<ServerId, Link>;
  readonly #blocks = new Map<number, BlockHeader>();
  #sequence = 0;
  #wakeMs = 0;

  constructor(world: ScaleWorld, index: number, servers: readonly SimServer[], seed: number) {
    this.#world = world;
    this.#index = index;
    // A name as the configuration makes it.
    this.id = `a${index + 1}` as AgentId;
    this.random = new Random(seed, 'agent');
    this.#machine = createAgentMachine({ seed });
    const delayMs = this.random.int(LEAST_DELAY_MS, MOST_DELAY_MS);
    this.#links = new Map(servers.map((server) => [server.id, new Link(world, this, server, delayMs)]));
  }

  start(): void {
    // Computers are not switched on in the same moment.
    for (const link of this.#links.values()) {
      this.#world.after(this.random.int(0, 10_000), () => link.connect());
    }
    this.#world.after(this.#pauseMs(), () => this.#seal());
  }

  step(event: AgentEvent): void {
    this.#world.agentSteps += 1;
    if (event.type === 'block_acknowledged') this.#acknowledged(event.blockId.sequence);
    for (const effect of this.#machine.step(event)) {
      const agentId = this.id;
      if (effect.type === 'send_request') {
        const { request } = effect;
        this.#links
          .get(effect.serverId)
          ?.toServer((atMs) => ({ type: 'request_received', atMs, agentId, request }));
      } else if (effect.type === 'send_block') {
        const { grantId, channel, block } = effect;
        const link = this.#links.get(effect.serverId);
        link?.toServer((atMs) => ({
          ...{ type: 'block_arrived', atMs, agentId, grantId, channel, block },
          known: link.server.knows(block),
        }));
      } else if (effect.type === 'send_notice') {
        const { notice } = effect;
        this.#links
          .get(effect.serverId)
          ?.toServer((atMs) => ({ type: 'notice_received', atMs, agentId, notice }));
      } else if (effect.type === 'wake_at') {
        this.#wakeAt(effect.atMs);
      }
    }
  }

  #wakeAt(atMs: number): void {
    this.#wakeMs = atMs;
    this.#world.after(Math.max(0, atMs - this.#world.nowMs), () => {
      if (this.#wakeMs === atMs) this.step({ type: 'woken', atMs: timeMs(this.#world.nowMs) });
    });
  }

  #seal(): void {
    if (this.#world.nowMs >= this.#world.options.productionMs) return;
    const isUrgent = this.random.chance(this.#world.options.urgentPart);
    this.#sequence += 1;
    const block: BlockHeader = {
      id: {
        agentId: this.id,
        epoch: 1,
        sequence: this.#sequence,
        digest: contentDigest(`${this.#sequence}`),
      },
      urgency: isUrgent ? 'urgent' : 'normal',
      rawBytes: isUrgent ? URGENT_BLOCK_BYTES : this.#world.options.blockBytes,
      recordCount: 1,
      oldestObservedMs: timeMs(this.#world.nowMs),
    };
    this.#blocks.set(this.#sequence, block);
    this.#world.blocksMade += 1;
    this.#world.bytesMade += block.rawBytes;
    this.#world.after(this.#pauseMs(), () => this.#seal());
    this.step({ type: 'block_sealed', atMs: timeMs(this.#world.nowMs), block });
  }

  #pauseMs(): number {
    return Math.ceil(2 * this.random.next() * this.#world.options.blockIntervalMs);
  }

  #acknowledged(sequence: number): void {
    const block = this.#blocks.get(sequence);
    if (block === undefined) return;
    this.#blocks.delete(sequence);
    this.#world.bytesDelivered += block.rawBytes;
    this.#world.deliveries.push({
      agent: this.#index,
      urgency: block.urgency,
      rawBytes: block.rawBytes,
      sealedMs: block.oldestObservedMs,
      acknowledgedMs: this.#world.nowMs,
    });
  }
}
