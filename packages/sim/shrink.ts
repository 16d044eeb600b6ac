/**
 * Makes a failing world smaller while the same checker still fails: faults off one by one, fewer agents, servers and
 * blocks, an earlier end.
 */
import type { FaultMix, ServerShape, SimOptions } from './options.ts';
import { NO_FAULTS } from './options.ts';
import { judgeOptions, PRODUCTION } from './run-seed.ts';
import type { Machines } from './world.ts';

/** Rounds over all ways to shrink; later ones seldom find more. */
const ROUNDS = 3;

/** @returns the smallest world found, as it failed alike; at worst the one given. */
export function shrink(options: SimOptions, checker: string, machines: Machines = PRODUCTION): SimOptions {
  let smallest = options;
  const attempt = (candidate: SimOptions): void => {
    const { failure } = judgeOptions(candidate, machines);
    if (failure?.checker === checker) smallest = candidate;
  };
  // Names of a struct's own keys: Object.keys has no narrower type.
  const names = Object.keys(NO_FAULTS) as (keyof FaultMix)[];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      if (smallest.faults[name] > 0) attempt({ ...smallest, faults: { ...smallest.faults, [name]: 0 } });
    }
    for (let index = smallest.servers.length - 1; index >= 0 && smallest.servers.length > 1; index -= 1) {
      attempt({ ...smallest, servers: smallest.servers.toSpliced(index, 1) });
    }
    attempt({ ...smallest, servers: smallest.servers.map(plain) });
    for (const part of [0.25, 0.5, 0.75]) {
      attempt({ ...smallest, agents: Math.max(1, Math.floor(smallest.agents * part)) });
      attempt({ ...smallest, blocksPerAgent: Math.max(1, Math.floor(smallest.blocksPerAgent * part)) });
      attempt({ ...smallest, faultPhaseMs: Math.max(1, Math.floor(smallest.faultPhaseMs * part)) });
    }
    if (smallest.backlogBlocks > 0) attempt({ ...smallest, backlogBlocks: 0 });
  }
  return smallest;
}

/** Without what seldom matters. */
function plain(server: ServerShape): ServerShape {
  return {
    ...server,
    ...{
      ingestLimitBytesPerSecond: undefined,
      priorityOffset: 0,
      loadedOffset: 0,
      remoteOffset: 0,
      waitsForAppend: true,
    },
  };
}
