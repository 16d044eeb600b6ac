/**
 * Which agents run more than once at the same time, from what all servers wrote into the store. Pure.
 *
 * A run is named by its epoch, which an agent draws at every start. A restart is no twin: the earlier run ends before the
 * later one begins. All times are the store's.
 */
import type { AgentId } from '@sluice/protocol/model';
import { RUN_OVERLAP_MS } from './limits.ts';

/** One run of an agent at one server, as far as that server has seen it alive. */
export interface SeenRun {
  readonly agentId: AgentId;
  readonly serverId: string;
  readonly epoch: number;
  /** As identityText. */
  readonly identity: string;
  readonly hostName: string;
  readonly address: string;
  readonly sinceMs: number;
  readonly aliveMs: number;
}

/** Runs that overlap another run of the same agent and identity, by agent. */
export function findTwins(runs: readonly SeenRun[]): ReadonlyMap<AgentId, readonly SeenRun[]> {
  const groups = new Map<string, SeenRun[]>();
  for (const run of runs) {
    const key = `${run.identity}\n${run.agentId}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [run]);
    else group.push(run);
  }
  const twins = new Map<AgentId, SeenRun[]>();
  for (const group of groups.values()) {
    const overlapping = group.filter((run) => group.some((other) => overlap(run, other)));
    const [first] = overlapping;
    if (first !== undefined) twins.set(first.agentId, [...(twins.get(first.agentId) ?? []), ...overlapping]);
  }
  return twins;
}

function overlap(one: SeenRun, other: SeenRun): boolean {
  if (one.epoch === other.epoch) return false;
  return Math.min(one.aliveMs, other.aliveMs) - Math.max(one.sinceMs, other.sinceMs) > RUN_OVERLAP_MS;
}
