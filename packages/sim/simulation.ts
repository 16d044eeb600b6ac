/**
 * One simulated world from one seed: agents, servers, a store, and what goes wrong between them. First faults come and
 * blocks are made (safety); then faults end and all must drain (liveness).
 *
 * Invariants: everything follows from the options, so a run is repeated exactly; the machines are those that were handed
 * in, nothing of them is changed or looked into.
 */

import { Random } from '@sluice/base/random';
import { timeMs } from '@sluice/protocol/brand';
import type { AgentId, ServerId, TimeMs } from '@sluice/protocol/model';
import { KnownBlocks } from '@sluice/server/journal/known-blocks';
import type { AgentProcess } from './agent-process.ts';
import type { Checker } from './checkers/checker.ts';
import { CheckFailure } from './checkers/checker.ts';
import type { ComputerShape } from './computer.ts';
import { Computer, Numbers } from './computer.ts';
import type { Route } from './connection.ts';
import { PING_NOTICES_AFTER_MS } from './connection.ts';
import { EventQueue } from './event-queue.ts';
import type { SimOptions } from './options.ts';
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
  readonly #computers: Computer[] = [];
  readonly #forgers: Computer[] = [];
  readonly #numbers = new Numbers();
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
      peers: new Random(seed, 'peers'),
    };
    this.#store = new StoreModel(this);
  }

  get nowMs(): TimeMs {
    return timeMs(this.#nowMs);
  }

  after(ms: number, action: () => void): void {
    this.#queue.add(this.#nowMs + ms, action);
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
    const next = this.#queue.takeFirst();
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
          ...{ blocks: new Map(), batches: new Map(), nextBlock: 1, nextBatch: 1 },
          known: new KnownBlocks(),
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
    this.#planTwins();
  }

  #waysFrom(): OpenRoute[] {
    return this.#servers.map((server): OpenRoute => {
      const route: Route = { blockedUntilMs: 0 };
      return { serverId: server.disk.serverId, route, answering: () => server.process };
    });
  }

  #buildAgent(index: number): void {
    const { options } = this;
    const { faults } = options;
    const name = `a${index}`;
    const computer = this.#addComputer({ name, agentId: name as AgentId }); // A brand has no other way on.
    this.#plan(faults.directoriesPutBackPerMinute, `the directory of ${name} is put back`, () =>
      computer.putDirectoryBack(),
    );
    this.#plan(faults.computersPutBackPerMinute, `the computer of ${name} is put back`, () =>
      computer.putAllBack(),
    );
    this.#plan(
      2 * Math.max(faults.directoriesPutBackPerMinute, faults.computersPutBackPerMinute),
      `${name} is copied, to be put back`,
      () => void computer.snapshot(),
    );
    if (options.backlogBlocks > 0) computer.write(options.backlogBlocks);
    computer.produce();
  }

  /** Starts an agent and plans what goes wrong with it. */
  #addComputer(shape: Omit<ComputerShape, 'index' | 'ways' | 'numbers'>): Computer {
    const { faults } = this.options;
    const ways = this.#waysFrom();
    const index = this.#computers.length;
    const computer = new Computer(this, { ...shape, index, ways, numbers: this.#numbers });
    this.#computers.push(computer);
    computer.start();
    const { name } = shape;
    this.#plan(faults.agentCrashesPerMinute, `${name} is killed`, () => computer.process?.kill());
    this.#plan(faults.agentStopsPerMinute, `${name} is told to stop`, () => computer.process?.stop());
    this.#plan(faults.clockJumpsPerMinute, `the clock of ${name}`, () => computer.process?.clock.jump());
    for (const [at, way] of ways.entries()) {
      const link = (): AgentProcess['links'][number] | undefined => computer.process?.links[at];
      const perWay = (perMinute: number): number => perMinute / ways.length;
      const between = `between ${name} and ${way.serverId}`;
      this.#plan(perWay(faults.connectionDropsPerMinute), `the connection ${between} is lost`, () =>
        link()?.connection?.break(),
      );
      this.#plan(perWay(faults.streamResetsPerMinute), `a stream ${between} is reset`, () =>
        link()?.resetStream(),
      );
      this.#plan(perWay(faults.partitionsPerMinute), `nothing passes ${between} for a while`, () => {
        const lastsMs = this.chance.faults.skewed(this.options.leastAwayMs, 60_000);
        way.route.blockedUntilMs = this.#nowMs + lastsMs;
        if (lastsMs >= PING_NOTICES_AFTER_MS[0]) link()?.connection?.starve();
      });
    }
    return computer;
  }

  /** Copies of computers, and peers that take their names: they come while faults last. */
  #planTwins(): void {
    const { clones, forgers } = this.options.faults;
    for (let twin = 0; twin < clones + forgers; twin += 1) {
      this.after(this.chance.faults.int(1_000, Math.ceil(this.options.faultPhaseMs * 0.6)), () => {
        const first = this.#computers[this.chance.faults.int(0, this.options.agents - 1)];
        if (!this.isFaulty || first === undefined) return;
        if (twin < clones) this.#clone(first, `${first.name}+${twin}`);
        else this.#forge(first, `${first.name}!${twin}`);
      });
    }
  }

  #clone(first: Computer, name: string): void {
    const { agentId, epoch } = first.disk;
    const keepsEpoch = this.chance.faults.chance(0.5);
    this.observe({ type: 'directory_copied', agentId });
    if (keepsEpoch) this.observe({ type: 'epoch_shared', epoch });
    this.#addComputer({ name, agentId, origin: first.snapshot(), keepsEpoch }).produce();
  }

  #forge(victim: Computer, name: string): void {
    const { agentId } = victim.disk;
    this.observe({ type: 'name_taken', agentId });
    const forger = this.#addComputer({ name, agentId, victim });
    this.#forgers.push(forger);
    forger.write(this.chance.faults.int(1, 10));
    forger.produce();
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

  #restartMs(): number {
    return this.isFaulty ? this.chance.faults.skewed(this.options.leastAwayMs, 60_000) : 100;
  }

  /** Ends the faults: who is down comes back at once, partitions heal. */
  #calm(): void {
    this.isFaulty = false;
    this.observe({ type: 'calm' });
    for (const forger of this.#forgers) forger.retire();
    for (const { ways } of this.#computers) for (const { route } of ways) route.blockedUntilMs = 0;
    for (const index of this.#servers.keys()) this.#startServer(index);
    for (const computer of this.#computers) computer.start();
  }

  #isDrained(): boolean {
    return this.#checkers.every((checker) => checker.pending?.() === undefined);
  }

  #left(): string {
    return this.#checkers.flatMap((checker) => checker.pending?.() ?? []).join('; ');
  }
}
