/** What agents and servers of a scaled world (scale-world.ts) see of it: its options, its clock, and what it counts. */
import type { UrgencyClass } from '@sluice/protocol/model';

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

/** An acknowledged block. */
export interface Delivery {
  readonly agent: number;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly sealedMs: number;
  readonly acknowledgedMs: number;
}

/** The world, as its agents, servers and links see it. */
export interface ScaleHost {
  readonly options: ScaleOptions;
  readonly nowMs: number;
  after(ms: number, action: () => void): void;
  /** Blocks that were acknowledged, in the order of that. */
  readonly deliveries: Delivery[];
  blocksMade: number;
  bytesMade: number;
  bytesDelivered: number;
  /** Wall time in the machines of all servers, and their steps. */
  serverWallMs: number;
  serverSteps: number;
  agentSteps: number;
}
