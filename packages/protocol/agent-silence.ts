/** Silence of servers: when one counts as stalled (U13), when its blocks count as in doubt (U14), when to look again. */
import type { Server } from './agent-state.ts';
import { STALL_AFTER_FLIGHT_TIMES, STALL_AFTER_USUAL_TIMES } from './limits.ts';

export interface SilenceTimes {
  /** Longest until a server is stalled. */
  readonly stallTimeoutMs: number;
  /** And with its window full; a server that is usually quick is given no less. */
  readonly leastStallMs: number;
  readonly inDoubtTimeoutMs: number;
  /** Most raw bytes on their way to a server. */
  readonly windowBytes: number;
}

/** Since when at the earliest the server is stalled, if it answers nothing; Infinity when it owes no answer. */
export function stallsAtMs(server: Server, times: SilenceTimes): number {
  if (server.owesSinceMs === undefined) return Number.POSITIVE_INFINITY;
  const { stallTimeoutMs, leastStallMs } = times;
  const { pace, inFlightBytes } = server;
  const isFull = pace.rate > 0 && inFlightBytes >= pace.windowBytes(times.windowBytes);
  const usualMs = pace.usualMs ?? Number.POSITIVE_INFINITY;
  const wantedMs = isFull
    ? STALL_AFTER_FLIGHT_TIMES * (inFlightBytes / pace.rate)
    : STALL_AFTER_USUAL_TIMES * usualMs;
  const patienceMs = Math.max(leastStallMs, wantedMs);
  return server.owesSinceMs + Math.min(stallTimeoutMs, patienceMs);
}

/** When the server's blocks go to any server; Infinity when it owes no answer. */
export function givenUpAtMs({ owesSinceMs }: Server, times: SilenceTimes): number {
  return (owesSinceMs ?? Number.POSITIVE_INFINITY) + times.inDoubtTimeoutMs;
}
