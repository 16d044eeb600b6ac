/**
 * The figure that Sluice stands for: how old the oldest urgent record is that an agent holds and no server has acknowledged.
 *
 * Agents tell ages, so that no clock is compared with another. A report says how it was when it was made; an agent reports
 * within a second what has changed. So a report counts as it is for as long as the next one takes, and from then on the
 * record has waited all the time since: nothing changed, or the agent is not heard.
 */
import { UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import type { AgentFacts } from './health-facts.ts';

/** Twice the time in which an agent reports what changed: the next report may be on its way. */
export const FRESH_REPORT_MS = 2_000;

export interface UrgentLag {
  /** Of all connected agents; 0: nothing urgent waits. */
  readonly oldestMs: number;
  /** Whose it is; undefined: nobody's. */
  readonly agentId: string | undefined;
  /** Of each agent that tells, connected or not; of one that is gone, as it was when it was last heard. */
  readonly msByAgent: ReadonlyMap<string, number>;
}

/** @returns ages at `nowMs`; one that an agent told may be as large as a uint64 can be */
export function urgentLag(agents: readonly AgentFacts[], nowMs: number): UrgentLag {
  const msByAgent = new Map<string, number>();
  let oldestMs = 0;
  let oldestAgentId: string | undefined;
  for (const { agentId, connected, reportedMs, report } of agents) {
    if (report === undefined) continue;
    const urgent = report.backlog.find(({ urgency }) => urgency === UrgencyClass.URGENT);
    // An agent of an earlier version tells the same in its backlog.
    const toldMs = Number(report.urgentLagMs ?? urgent?.oldestAgeMs ?? 0n);
    const waits = toldMs > 0 || (urgent?.recordCount ?? 0n) > 0n;
    const sinceMs = Math.max(0, nowMs - reportedMs);
    const hasWaitedSince = connected && waits && sinceMs > FRESH_REPORT_MS;
    const ageMs = hasWaitedSince ? toldMs + sinceMs : toldMs;
    // Several sessions of one id are one agent to who looks.
    msByAgent.set(agentId, Math.max(msByAgent.get(agentId) ?? 0, ageMs));
    // Who is gone may have given to others what it told of.
    if (!connected || ageMs <= oldestMs) continue;
    oldestMs = ageMs;
    oldestAgentId = agentId;
  }
  return { oldestMs, agentId: oldestAgentId, msByAgent };
}
