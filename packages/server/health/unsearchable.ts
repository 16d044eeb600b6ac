/**
 * How old the oldest record is that the server knows of and that no search finds yet: in its journal, or with a connected
 * agent, in its queue or not read yet.
 *
 * An agent's clock is not the server's. In a report ages are told, so that none is compared with the other; blocks carry
 * times of the agent's clock, and the report says how far that is off. Without that word, the time since the block came
 * counts, which is certain.
 */
import type { UrgencyClass } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { UrgencyClass as WireUrgency } from '@sluice/wire/gen/uplink_pb';
import type { AgentFacts, UnsearchableFacts } from './health-facts.ts';

export interface Unsearchable {
  /** 0: every record that is known of can be found. */
  readonly oldestMs: number;
  /** Classes that have any, most urgent first. */
  readonly classes: readonly { urgency: UrgencyClass; records: number; oldestMs: number }[];
  /** Oldest by agent; one without any is missing. */
  readonly oldestMsByAgent: ReadonlyMap<string, number>;
}

/** @returns ages at `nowMs` */
export function unsearchable(
  waiting: readonly UnsearchableFacts[],
  agents: readonly AgentFacts[],
  nowMs: number,
): Unsearchable {
  const classes = new Map<UrgencyClass, { records: number; oldestMs: number }>();
  const byAgent = new Map<string, number>();
  const late = (agentId: string, ageMs: number): void => {
    byAgent.set(agentId, Math.max(byAgent.get(agentId) ?? 0, ageMs));
  };
  const add = (agentId: string, urgency: UrgencyClass, records: number, ageMs: number): void => {
    const before = classes.get(urgency);
    classes.set(urgency, {
      records: (before?.records ?? 0) + records,
      oldestMs: Math.max(before?.oldestMs ?? 0, ageMs),
    });
    late(agentId, ageMs);
  };
  const offsets = new Map<string, number>();
  for (const { agentId, connected, reportedMs, report } of agents) {
    if (report === undefined) continue;
    if (report.sentAtMs > 0n) offsets.set(agentId, Number(report.sentAtMs) - reportedMs);
    // Who is gone may have given to others what it told of.
    if (!connected) continue;
    // With what it has not read yet, of which no class is known.
    if (report.lagMs > 0n) late(agentId, Number(report.lagMs) + Math.max(0, nowMs - reportedMs));
    for (const { urgency, recordCount, oldestAgeMs } of report.backlog) {
      const known = classOf(urgency);
      if (recordCount === 0n || known === undefined) continue;
      const ageMs = Number(oldestAgeMs) + Math.max(0, nowMs - reportedMs);
      add(agentId, known, Number(recordCount), ageMs);
    }
  }
  for (const { agentId, urgency, records, oldestObservedMs, oldestReceivedMs } of waiting) {
    const offsetMs = offsets.get(agentId);
    const observedMs = offsetMs === undefined ? oldestReceivedMs : oldestObservedMs - offsetMs;
    add(agentId, urgency, records, Math.max(0, nowMs - Math.min(observedMs, oldestReceivedMs)));
  }
  return {
    oldestMs: Math.max(0, ...byAgent.values()),
    classes: URGENCY_CLASSES.flatMap((urgency) => {
      const entry = classes.get(urgency);
      return entry === undefined ? [] : [{ urgency, ...entry }];
    }),
    oldestMsByAgent: byAgent,
  };
}

/** Undefined for what no class is: reports are shown as they come, and must not stop anything. */
function classOf(urgency: WireUrgency): UrgencyClass | undefined {
  return URGENCY_CLASSES[urgency - 1];
}
