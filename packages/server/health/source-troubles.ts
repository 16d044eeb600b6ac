/** Troubles of what agents read: sources that stand still, cannot be read, or went away too early. */
import { formatBytes } from '@sluice/host/quantity-text';
import { SourceCondition, type SourceState, type SourceStates } from '@sluice/wire/gen/uplink_pb';
import type { AgentFacts } from './health-facts.ts';
import type { Finding } from './problem.ts';
import { sentence } from './store-troubles.ts';
import type { TroubleCode } from './troubles.ts';

/** Of those that read on nothing is told: a line that was kept as plain text can be found. */
const CODES: ReadonlyMap<SourceCondition, TroubleCode> = new Map([
  [SourceCondition.STUCK, 'source_stuck'],
  [SourceCondition.FAILING, 'source_unreadable'],
  [SourceCondition.VANISHED, 'source_vanished'],
]);

/** @returns the troubles of the sources of an agent; of one that does not tell of them: none */
export function sourceTroubles(agent: AgentFacts, sources: SourceStates | undefined): Finding[] {
  if (sources === undefined) return [];
  const findings = sources.worst.flatMap((source) => troubleOf(agent, source));
  if (sources.failedRecords > 0n)
    findings.push({
      code: 'lines_failed',
      subject: { kind: 'agent', name: agent.agentId },
      values: { lines: String(sources.failedRecords) },
    });
  return findings;
}

function troubleOf({ agentId, reportedMs }: AgentFacts, source: SourceState): Finding[] {
  const code = CODES.get(source.condition);
  if (code === undefined) return [];
  return [
    {
      code,
      subject: { kind: 'source', name: `${agentId} ${source.name}` },
      sinceMs: reportedMs - Number(source.forMs),
      values: {
        agent: agentId,
        source: source.name,
        unread: formatBytes(Number(source.unreadBytes)),
        reason: sentence(source.reason),
      },
    },
  ];
}
