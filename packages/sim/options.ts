/**
 * Everything that makes one simulated world different from another, in one struct: sizes, speeds and the probability
 * of each fault. Drawn from the seed, so that seeds differ in scale and in what goes wrong.
 *
 * Invariants: same seed, same options; times in virtual ms, sizes in uncompressed bytes.
 */

import { Random } from '@sluice/base/random';
import type { ConfiguredChannel } from '@sluice/protocol/channel-allocation';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';

export interface ServerShape {
  readonly channels: readonly ConfiguredChannel[];
  readonly journalBytes: number;
  readonly onNotice: 'ignore' | 'yield';
  readonly grantLifetimeMs: number;
  /** From a block's arrival in a lane of the journal to its batch. */
  readonly gatherMs: number;
  readonly yieldMemoryMs: number;
  /** Undefined: no limit. */
  readonly ingestLimitBytesPerSecond: number | undefined;
  readonly priorityOffset: number;
  readonly loadedOffset: number;
  /** For agents of another region: every other one is. */
  readonly remoteOffset: number;
  /**
   * Whether the shell holds back a block that is being written already until that has ended. The real one does; the
   * machine must be right without it as well.
   */
  readonly waitsForAppend: boolean;
}

/** How often each kind of fault happens, or how likely it is at each occasion. All are 0 in a world without faults. */
export interface FaultMix {
  readonly agentCrashesPerMinute: number;
  readonly serverCrashesPerMinute: number;
  /** A process dies between two effects of one step, per step. */
  readonly crashBetweenEffects: number;
  readonly agentStopsPerMinute: number;
  readonly serverDrainsPerMinute: number;
  readonly connectionDropsPerMinute: number;
  readonly streamResetsPerMinute: number;
  readonly partitionsPerMinute: number;
  /** Per message: it takes much longer. */
  readonly delaySpikes: number;
  /**
   * Per grant: the server says it a second time, under another id, in answer to nothing. Per notice: the agent says it again
   * when the grant is over.
   */
  readonly strayMessages: number;
  /** Per commit, at agents and servers: nothing was written. */
  readonly failedSyncs: number;
  /** Per commit: it takes seconds. */
  readonly slowSyncs: number;
  /** Per insert: the store says no, having applied it or not. */
  readonly storeFailures: number;
  /** Per insert and lookup: the store takes seconds. */
  readonly storeDelays: number;
  /** The store is away for a while: nothing that it is sent meanwhile is applied. */
  readonly storeOutagesPerMinute: number;
  /** Per agent: its data directory is put back to an earlier state while it is stopped. */
  readonly directoriesPutBackPerMinute: number;
  /** Per agent: the whole computer is, with what was in memory. */
  readonly computersPutBackPerMinute: number;
  /** Agents that run on copies of another one's computer. */
  readonly clones: number;
  /** Peers that come in the name of an agent, with blocks of their own at its next positions. */
  readonly forgers: number;
  /** Per grant: the agent hears another one, of which nothing can be made, or an absurd refusal. */
  readonly wrongGrants: number;
  /** Per process: its clock jumps, mostly forward (it was suspended), sometimes a little back. */
  readonly clockJumpsPerMinute: number;
}

export interface SimOptions {
  readonly seed: number;
  readonly agents: number;
  readonly servers: readonly ServerShape[];
  /** How long faults and new blocks come. */
  readonly faultPhaseMs: number;
  /** How long everything may take to drain after that. */
  readonly drainLimitMs: number;
  /** Events after which the first phase ends, whatever the time. */
  readonly maxSteps: number;
  readonly blocksPerAgent: number;
  readonly cutIntervalMs: number;
  readonly mostBlockBytes: number;
  /** Blocks that each agent has at the start. */
  readonly backlogBlocks: number;
  /** Weight of each class, by rank. */
  readonly classWeights: readonly number[];
  readonly leastDelayMs: number;
  readonly mostDelayMs: number;
  readonly bytesPerMs: number;
  readonly mostSyncMs: number;
  readonly mostInsertMs: number;
  readonly faults: FaultMix;
  /** Restarts and partitions take at least so long. */
  readonly leastAwayMs: number;
  /** All agents have the same demand, all of it at once: they must be served alike. */
  readonly isContention: boolean;
}

export const NO_FAULTS: FaultMix = {
  agentCrashesPerMinute: 0,
  serverCrashesPerMinute: 0,
  crashBetweenEffects: 0,
  agentStopsPerMinute: 0,
  serverDrainsPerMinute: 0,
  connectionDropsPerMinute: 0,
  streamResetsPerMinute: 0,
  partitionsPerMinute: 0,
  delaySpikes: 0,
  strayMessages: 0,
  failedSyncs: 0,
  slowSyncs: 0,
  storeFailures: 0,
  storeDelays: 0,
  storeOutagesPerMinute: 0,
  directoriesPutBackPerMinute: 0,
  computersPutBackPerMinute: 0,
  clones: 0,
  forgers: 0,
  clockJumpsPerMinute: 0,
  wrongGrants: 0,
};

const MIB = 1024 * 1024;
/**
 * Agents without a backlog hold the least grant as well, for as long as it lives. A journal with no room for one grant
 * to each agent drains, but very slowly.
 */
const LEAST_JOURNAL_MIB_PER_AGENT = 10;
const LEAST_LIMIT_BYTES_PER_SECOND = 100_000;

/** Of what all agents may make at most, so much comes to pass on average: blocks are of all sizes. */
const MEAN_BLOCK_PART = 0.35;

/** A limited server takes all of a seed's load in at most so long: a fraction of the time to drain. */
const MOST_SECONDS_AT_LIMIT = 100;

/** More agents have fewer blocks each: a slow store gets all of them within the time to drain. */
const MANY_AGENTS = 5;

/** The world of a seed. */
export function drawOptions(seed: number): SimOptions {
  const random = new Random(seed, 'options');
  const agents = random.chance(0.1) ? random.int(8, 24) : random.int(1, 5);
  const isContention = random.chance(0.04);
  const isFailover = random.chance(0.15);
  const load: Load = {
    blocksPerAgent: Math.ceil(random.skewed(4, 160) / (agents > MANY_AGENTS ? 4 : 1)),
    mostBlockBytes: random.chance(0.5) ? MAX_BLOCK_RAW_BYTES : random.skewed(1_000, MAX_BLOCK_RAW_BYTES),
    backlogBlocks: random.chance(0.3) ? random.int(1, 30) : 0,
  };
  const regions = new Random(seed, 'regions');
  const servers = Array.from({ length: random.int(isFailover ? 2 : 1, 4) }, () => ({
    ...drawServer(random, agents, expectedBytes({ agents, ...load })),
    remoteOffset: regions.chance(0.2) ? regions.int(1, 100) : 0,
  }));
  const options: SimOptions = {
    ...{ seed, agents, servers, ...load, isContention: false, leastAwayMs: 50 },
    faultPhaseMs: random.int(10_000, 150_000),
    drainLimitMs: 400_000,
    maxSteps: 40_000,
    cutIntervalMs: random.skewed(50, 8_000),
    classWeights: [random.int(0, 4), random.int(0, 4), random.int(0, 4), random.int(1, 4)],
    leastDelayMs: random.int(0, 5),
    mostDelayMs: random.skewed(6, 400),
    bytesPerMs: random.skewed(2_000, 100_000),
    mostSyncMs: random.skewed(1, 200),
    mostInsertMs: random.skewed(2, 800),
    faults: drawFaults(random),
  };
  if (isContention) return contention(options, random);
  const names = new Random(seed, 'names');
  const hasNames = names.chance(0.15);
  if (isFailover) return failover(hasNames ? confused(options, names) : options, random);
  if (hasNames) return confused(options, names);
  const flaps = new Random(seed, 'flaps');
  return servers.length > 1 && flaps.chance(0.08) ? flapping(options, flaps) : options;
}

/** Directories come back older, or twice, and names are taken. */
function confused(options: SimOptions, random: Random): SimOptions {
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  const clones = random.chance(0.4) ? random.int(1, 2) : 0;
  const forgers = random.chance(0.4) ? random.int(1, 2) : 0;
  return {
    ...options,
    ...{ agents: Math.min(options.agents, 4), faultPhaseMs: Math.max(40_000, options.faultPhaseMs) },
    faults: {
      ...options.faults,
      ...{ directoriesPutBackPerMinute: some(3), computersPutBackPerMinute: some(3), clones, forgers },
    },
  };
}

/**
 * Streams break several times a second, disks are slow, and one server or another is out of reach: blocks go to the same
 * server again and again, unanswered, while others are in doubt all the time.
 */
function flapping(options: SimOptions, random: Random): SimOptions {
  const load = { blocksPerAgent: 40, backlogBlocks: 30, mostBlockBytes: 100_000 };
  const agents = random.int(1, 2);
  const leastLimit = Math.ceil(expectedBytes({ agents, ...load }) / MOST_SECONDS_AT_LIMIT);
  return {
    ...options,
    ...{ agents, ...load, faultPhaseMs: random.int(60_000, 120_000), leastAwayMs: 15_000 },
    servers: options.servers.map((server) => withLimit(server, leastLimit)),
    faults: {
      ...options.faults,
      ...{ agentCrashesPerMinute: 0, agentStopsPerMinute: 0, crashBetweenEffects: 0 },
      ...{ serverCrashesPerMinute: 0, serverDrainsPerMinute: 0, slowSyncs: 0.5, partitionsPerMinute: 6 },
      streamResetsPerMinute: 200 * options.servers.length,
    },
  };
}

/** Servers are away for longer than agents wait for them, and the store is slow: blocks get into the store twice. */
function failover(options: SimOptions, random: Random): SimOptions {
  const away: SimOptions = {
    ...options,
    leastAwayMs: random.int(20_000, 40_000),
    faultPhaseMs: random.int(90_000, 200_000),
    mostInsertMs: random.int(500, 4_000),
    blocksPerAgent: Math.ceil(random.int(60, 120) / (options.agents > MANY_AGENTS ? 4 : 1)),
    cutIntervalMs: random.int(1_000, 4_000),
    mostBlockBytes: random.skewed(1_000, 400_000),
    faults: {
      ...options.faults,
      serverCrashesPerMinute: random.next() * 2,
      partitionsPerMinute: random.next() * 3,
      storeDelays: random.next() * 0.5,
      storeOutagesPerMinute: random.next() * 3,
    },
  };
  // The limits were drawn for another load.
  const leastLimit = Math.ceil(expectedBytes(away) / MOST_SECONDS_AT_LIMIT);
  return {
    ...away,
    servers: away.servers.map((server) => withLimit(server, leastLimit)),
  };
}

/** The server with a limit of at least so much, if it has one. */
function withLimit(server: ServerShape, leastLimit: number): ServerShape {
  const limit = server.ingestLimitBytesPerSecond;
  return limit === undefined ? server : { ...server, ingestLimitBytesPerSecond: Math.max(limit, leastLimit) };
}

/** What all agents make, on average. */
function expectedBytes(load: Load & { readonly agents: number }): number {
  return load.agents * (load.blocksPerAgent + load.backlogBlocks) * load.mostBlockBytes * MEAN_BLOCK_PART;
}

type Load = Pick<SimOptions, 'blocksPerAgent' | 'mostBlockBytes' | 'backlogBlocks'>;

/** Equal agents that all want more than they can get, and nothing that goes wrong: a world to measure fairness in. */
function contention(options: SimOptions, random: Random): SimOptions {
  const agents = random.int(3, 12);
  const backlogBlocks = random.int(40, 80);
  const blockBytes = random.int(100_000, 1_000_000);
  const totalBytes = agents * backlogBlocks * blockBytes;
  const limited: SimOptions = {
    ...options,
    ...{ isContention: true, agents, backlogBlocks, blocksPerAgent: backlogBlocks },
    mostBlockBytes: blockBytes,
    classWeights: [0, 0, 1, 0],
    faultPhaseMs: 1_000,
    servers: options.servers.slice(0, 1).map((server) => ({
      ...server,
      journalBytes: Math.max(server.journalBytes, agents * LEAST_JOURNAL_MIB_PER_AGENT * MIB),
      ingestLimitBytesPerSecond: Math.ceil(totalBytes / random.int(30, 100)),
    })),
    faults: NO_FAULTS,
  };
  return random.chance(0.5) ? limited : crowded(limited);
}

/** No limit but the journal's room, of which they want very many times as much as there is. */
function crowded(options: SimOptions): SimOptions {
  return {
    ...options,
    ...{ backlogBlocks: 100, blocksPerAgent: 100, mostBlockBytes: 2 * MIB },
    ...{ mostInsertMs: 1_500, bytesPerMs: 100_000 },
    servers: options.servers.map((server) => ({
      ...server,
      journalBytes: options.agents * LEAST_JOURNAL_MIB_PER_AGENT * MIB,
      ...{ ingestLimitBytesPerSecond: undefined, gatherMs: 500 },
    })),
  };
}

function drawServer(random: Random, agents: number, loadBytes: number): Omit<ServerShape, 'remoteOffset'> {
  const priorities = new Set<number>();
  for (let count = random.int(1, 3); count > 0; count -= 1) priorities.add(random.int(1, 6));
  const mostMebibytes = random.chance(0.1) ? 1_024 : 128;
  return {
    channels: [...priorities].map((priority) => ({
      priority,
      quotaBytes: random.pick([1, 1.25, 2, 4]) * MAX_BLOCK_RAW_BYTES,
    })),
    journalBytes: Math.max(random.skewed(8, mostMebibytes), agents * LEAST_JOURNAL_MIB_PER_AGENT) * MIB,
    onNotice: random.chance(0.7) ? 'yield' : 'ignore',
    grantLifetimeMs: random.pick([20_000, 20_000, 60_000, 5_000, 1_500]),
    gatherMs: random.skewed(5, 1_000),
    yieldMemoryMs: random.pick([60_000, 60_000, 5_000, 1_000]),
    // So that all could go through one server within the time to drain.
    ingestLimitBytesPerSecond: random.chance(0.25)
      ? Math.ceil(Math.max(LEAST_LIMIT_BYTES_PER_SECOND, loadBytes / random.int(20, MOST_SECONDS_AT_LIMIT)))
      : undefined,
    priorityOffset: random.chance(0.2) ? random.int(1, 10) : 0,
    loadedOffset: random.chance(0.4) ? random.int(1, 10) : 0,
    waitsForAppend: random.chance(0.5),
  };
}

/** Some seeds know no fault, most know a few kinds, some know all. */
function drawFaults(random: Random): FaultMix {
  const density = random.pick([0, 0.3, 0.6, 1]);
  const often = (most: number): number => (random.chance(density) ? random.next() * most : 0);
  return {
    agentCrashesPerMinute: often(6),
    serverCrashesPerMinute: often(6),
    crashBetweenEffects: often(0.004),
    agentStopsPerMinute: often(3),
    serverDrainsPerMinute: often(3),
    connectionDropsPerMinute: often(20),
    streamResetsPerMinute: often(20),
    partitionsPerMinute: often(6),
    delaySpikes: often(0.02),
    strayMessages: often(0.5),
    failedSyncs: often(0.1),
    slowSyncs: often(0.02),
    storeFailures: often(0.2),
    storeDelays: often(0.03),
    storeOutagesPerMinute: often(2),
    clockJumpsPerMinute: often(2),
    wrongGrants: often(0.1),
    ...{ directoriesPutBackPerMinute: 0, computersPutBackPerMinute: 0, clones: 0, forgers: 0 },
  };
}
