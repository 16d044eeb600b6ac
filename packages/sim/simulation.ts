/**
 * One simulated world from one seed: agents, servers, a store, and what goes wrong between them. First faults come and
 * blocks are made (safety); then faults end and all must drain (liveness).
 *
 * Invariants: everything follows from the options, so a run is repeated exactly; the machines are those that were handed
 * in, nothing of them is changed or looked into.
 */
import { contentDigest, timeMs } from '@sluice/protocol/brand';
import type { AgentId, BlockHeader, ServerId, TimeMs } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import { AgentProcess } from './agent-process.ts';
import type { QueueDisk } from './agent-queue.ts';
import type { Checker } from './checkers/checker.ts';
import { CheckFailure } from './checkers/checker.ts';
import type { Route } from './connection.ts';
import { PING_NOTICES_AFTER_MS } from './connection.ts';
import { EventQueue } from './event-queue.ts';
import type { SimOptions } from './options.ts';
import { Random } from './random.ts';
import type { JournalDisk } from './server-journal.ts';
import type { OpenRoute } from './server-link.ts';
import { ServerProcess } from './server-process.ts';
import { StoreModel } from './store-model.ts';
import type { Trace } from './trace.ts';
import type { Machines, Observation, World } from './world.ts';

const START_MS = 1_000_000;
/** Events without an end are a failure too: many times what the largest world needs. */
const MAX_EVENTS = 3_000_000;
/** How often the second phase looks whether all has drained. */
const DRAIN_CHECK_MS = 250;

/** How a run ended. */
export interface Outcome {
  readonly seed: number;
  readonly failure: CheckFailure | undefined;
  readonly events: number;
  readonly blocks: number;
  readonly hash: string;
  readonly endMs: number;
}

interface AgentSlot {
  readonly disk: QueueDisk;
  readonly ways: readonly OpenRoute[];
  process: AgentProcess | undefined;
  lives: number;
  sealed: number;
  nextSequence: number;
}

interface ServerSlot {
  readonly disk: JournalDisk;
  process: ServerProcess | undefined;
  lives: number;
}

/** Runs a world to its end, or to the first failure of a checker. */
export function simulate(
  options: SimOptions,
  machines: Machines,
  checkers: readonly Checker[],
  trace: Trace,
): Outcome {
  const simulation = new Simulation(options, machines, checkers, trace);
  let failure: CheckFailure | undefined;
  try {
    simulation.run();
  } catch (error) {
    failure = CheckFailure.from(error);
  }
  const { events, blocks, nowMs } = simulation;
  return { seed: options.seed, failure, events, blocks, hash: trace.hash, endMs: nowMs - START_MS };
}

class Simulation implements World {
  readonly options: SimOptions;
  readonly machines: Machines;
  readonly chance: World['chance'];
  isFaulty = true;
  events = 0;
  blocks = 0;
  readonly #checkers: readonly Checker[];
  readonly #trace: Trace;
  readonly #queue = new EventQueue();
  readonly #store: StoreModel;
  readonly #agents: AgentSlot[] = [];
  readonly #servers: ServerSlot[] = [];
  #nowMs = START_MS;

  constructor(options: SimOptions, machines: Machines, checkers: readonly Checker[], trace: Trace) {
    this.options = options;
    this.machines = machines;
    this.#checkers = checkers;
    this.#trace = trace;
    const { seed } = options;
    this.chance = {
      network: new Random(seed, 'network'),
      disk: new Random(seed, 'disk'),
      store: new Random(seed, 'store'),
      production: new Random(seed, 'production'),
      faults: new Random(seed, 'faults'),
      clocks: new Random(seed, 'clocks'),
    };
    this.#store = new StoreModel(this);
  }

  get nowMs(): TimeMs {
    return timeMs(this.#nowMs);
  }

  after(ms: number, action: () => void): void {
    this.#queue.put(this.#nowMs + ms, action);
  }

  observe(observation: Observation): void {
    this.#trace.add(this.#nowMs, observation);
    if (observation.type === 'block_queued') this.blocks += 1;
    for (const checker of this.#checkers) checker.observe(observation, this.#nowMs);
  }

  run(): void {
    this.#build();
    const { faultPhaseMs, drainLimitMs, maxSteps } = this.options;
    const calmAtMs = START_MS + faultPhaseMs;
    while (this.#queue.nextMs < calmAtMs && this.events < maxSteps) this.#advance();
    this.#calm();
    const limitMs = this.#nowMs + drainLimitMs;
    for (let checkAtMs = this.#nowMs; !this.#isDrained(); checkAtMs += DRAIN_CHECK_MS) {
      if (this.#nowMs >= limitMs) {
        throw new CheckFailure(
          'liveness',
          `not drained ${drainLimitMs} ms after the last fault: ${this.#left()}`,
        );
      }
      while (this.#queue.nextMs <= checkAtMs) this.#advance();
      this.#nowMs = Math.max(this.#nowMs, checkAtMs);
    }
    for (const checker of this.#checkers) checker.finish?.(this.#nowMs);
  }

  #advance(): void {
    const next = this.#queue.take();
    if (next === undefined) return;
    this.events += 1;
    if (this.events > MAX_EVENTS) throw new CheckFailure('liveness', `more than ${MAX_EVENTS} events`);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.action();
  }

  #build(): void {
    const { options } = this;
    for (const index of options.servers.keys()) {
      // Names that do not sort as the servers' priorities do.
      const serverId = `S${(index * 7 + options.seed) % 10}${index}` as ServerId; // A brand has no other way on.
      this.#servers.push({
        disk: {
          serverId,
          ...{ blocks: new Map(), batches: new Map(), known: new Set(), knownAgents: new Set() },
          ...{ settledBelow: new Map(), nextBlock: 1, nextBatch: 1 },
        },
        process: undefined,
        lives: 0,
      });
      this.#startServer(index);
      const process = (): ServerProcess | undefined => this.#servers[index]?.process;
      const { faults } = options;
      this.#plan(faults.serverCrashesPerMinute, `${serverId} is killed`, () => process()?.kill());
      this.#plan(faults.serverDrainsPerMinute, `${serverId} is told to drain`, () => process()?.drain());
      this.#plan(faults.clockJumpsPerMinute, `the clock of ${serverId}`, () => process()?.clock.jump());
    }
    this.#plan(options.faults.storeOutagesPerMinute, 'the store is away', () =>
      this.#store.away(this.chance.faults.skewed(options.leastAwayMs, 60_000)),
    );
    for (let index = 0; index < options.agents; index += 1) this.#buildAgent(index);
  }

  #buildAgent(index: number): void {
    const { options, chance } = this;
    const { faults } = options;
    const ways = this.#servers.map((server): OpenRoute => {
      const route: Route = { blockedUntilMs: 0 };
      return { serverId: server.disk.serverId, route, answering: () => server.process };
    });
    const slot: AgentSlot = {
      disk: {
        agentId: `a${index}` as AgentId, // A brand has no other way on.
        ...{ epoch: 1, nextSequence: 1, blocks: new Map() },
      },
      ...{ ways, process: undefined, lives: 0, sealed: 0, nextSequence: 1 },
    };
    this.#agents.push(slot);
    this.#startAgent(slot);
    const { agentId } = slot.disk;
    this.#plan(faults.agentCrashesPerMinute, `${agentId} is killed`, () => slot.process?.kill());
    this.#plan(faults.agentStopsPerMinute, `${agentId} is told to stop`, () => slot.process?.stop());
    this.#plan(faults.clockJumpsPerMinute, `the clock of ${agentId}`, () => slot.process?.clock.jump());
    for (const [at, way] of ways.entries()) {
      const link = (): AgentProcess['links'][number] | undefined => slot.process?.links[at];
      const perWay = (perMinute: number): number => perMinute / ways.length;
      const between = `between ${agentId} and ${way.serverId}`;
      this.#plan(perWay(faults.connectionDropsPerMinute), `the connection ${between} is lost`, () =>
        link()?.connection?.break(),
      );
      this.#plan(perWay(faults.streamResetsPerMinute), `a stream ${between} is reset`, () =>
        link()?.resetStream(),
      );
      this.#plan(perWay(faults.partitionsPerMinute), `nothing passes ${between} for a while`, () => {
        const lastsMs = chance.faults.skewed(this.options.leastAwayMs, 60_000);
        way.route.blockedUntilMs = this.#nowMs + lastsMs;
        if (lastsMs >= PING_NOTICES_AFTER_MS[0]) link()?.connection?.starve();
      });
    }
    if (options.backlogBlocks > 0) this.#seal(slot, options.backlogBlocks);
    this.#produce(slot);
  }

  /** Makes something happen again and again while faults last. */
  #plan(perMinute: number, what: string, action: () => void): void {
    const nextMs = this.chance.faults.untilNextMs(perMinute);
    if (!Number.isFinite(nextMs)) return;
    this.after(nextMs, () => {
      if (!this.isFaulty) return;
      this.observe({ type: 'fault', what });
      action();
      this.#plan(perMinute, what, action);
    });
  }

  #startServer(index: number): void {
    const slot = this.#servers[index];
    const shape = this.options.servers[index];
    if (slot === undefined || shape === undefined || slot.process !== undefined) return;
    slot.lives += 1;
    slot.process = new ServerProcess(this, shape, slot.disk, this.#store, slot.lives, () => {
      slot.process = undefined;
      this.after(this.#restartMs(), () => this.#startServer(index));
    });
  }

  #startAgent(slot: AgentSlot): void {
    if (slot.process !== undefined) return;
    slot.lives += 1;
    slot.nextSequence = slot.disk.nextSequence;
    const seed = this.options.seed * 1_000 + this.#agents.indexOf(slot) * 50 + slot.lives;
    const process = new AgentProcess(this, slot.disk, slot.ways, seed, () => {
      slot.process = undefined;
      this.after(this.#restartMs(), () => this.#startAgent(slot));
    });
    // It may have died while it started.
    if (!process.isDead) slot.process = process;
  }

  #restartMs(): number {
    return this.isFaulty ? this.chance.faults.skewed(this.options.leastAwayMs, 60_000) : 100;
  }

  #produce(slot: AgentSlot): void {
    this.after(this.chance.production.skewed(1, 2 * this.options.cutIntervalMs), () => {
      if (!this.isFaulty || slot.sealed >= this.options.blocksPerAgent) return;
      if (slot.process !== undefined) this.#seal(slot, this.chance.production.int(1, 4));
      this.#produce(slot);
    });
  }

  #seal(slot: AgentSlot, count: number): void {
    const headers = Array.from({ length: count }, () => this.#makeBlock(slot));
    slot.sealed += count;
    slot.process?.seal(headers);
  }

  #makeBlock(slot: AgentSlot): BlockHeader {
    const { production } = this.chance;
    const { classWeights, mostBlockBytes, isContention } = this.options;
    let drawn = production.next() * classWeights.reduce((sum, weight) => sum + weight, 0);
    const rank = classWeights.findIndex((weight) => {
      drawn -= weight;
      return drawn < 0;
    });
    const sequence = slot.nextSequence;
    slot.nextSequence += 1;
    return {
      id: {
        agentId: slot.disk.agentId,
        epoch: slot.disk.epoch,
        sequence,
        digest: contentDigest(`${sequence}`),
      },
      urgency: URGENCY_CLASSES[rank] ?? 'bulk',
      rawBytes:
        isContention || production.chance(0.2) ? mostBlockBytes : production.skewed(1, mostBlockBytes),
      recordCount: production.skewed(1, 1_000),
      oldestObservedMs: this.nowMs,
    };
  }

  /** Ends the faults: who is down comes back at once, partitions heal. */
  #calm(): void {
    this.isFaulty = false;
    this.observe({ type: 'calm' });
    for (const slot of this.#agents) for (const { route } of slot.ways) route.blockedUntilMs = 0;
    for (const index of this.#servers.keys()) this.#startServer(index);
    for (const slot of this.#agents) this.#startAgent(slot);
  }

  #isDrained(): boolean {
    return this.#checkers.every((checker) => checker.pending?.() === undefined);
  }

  #left(): string {
    return this.#checkers.flatMap((checker) => checker.pending?.() ?? []).join('; ');
  }
}
