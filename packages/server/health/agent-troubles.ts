/** Troubles of agents: what they report of themselves, and those that report nothing any more. */
import { isoTime } from '@sluice/host/iso-time';
import { formatBytes, formatDuration } from '@sluice/host/quantity-text';
import type { AgentReport, QueueStatus } from '@sluice/wire/gen/uplink_pb';
import type { AgentFacts } from './health-facts.ts';
import { diskValues, isLow } from './journal-troubles.ts';
import type { Finding, Subject } from './problem.ts';
import { sourceTroubles } from './source-troubles.ts';
import { sentence } from './store-troubles.ts';
import type { TroubleCode } from './troubles.ts';

/** What has waited in a queue for longer is late. */
const LAGGING_AFTER_MS = 60_000;
/** Clocks that are kept in step are within a second; a minute misleads who reads times of two machines side by side. */
const CLOCK_OFF_BY_MS = 60_000;
/** An agent that is away for longer was taken away: nobody waits for it. */
const GONE_FOR_GOOD_MS: number = 7 * 86_400_000;

/** Agents that are named of those with a common trouble: enough to look at one. */
const NAMED_AGENTS = 3;

/** By the code of the error. */
const WRITE_TROUBLES: ReadonlyMap<string, TroubleCode> = new Map([
  ['disk_full', 'agent_queue_disk_full'],
  ['state_corrupt', 'agent_queue_damaged'],
]);

export function agentTroubles(agents: readonly AgentFacts[], nowMs: number): Finding[] {
  return [...agents.flatMap((agent) => troublesOf(agent, nowMs)), ...unreachableServers(agents)];
}

function troublesOf(agent: AgentFacts, nowMs: number): Finding[] {
  const { agentId, report } = agent;
  const subject: Subject = { kind: 'agent', name: agentId };
  if (!agent.connected) return goneAgent(agent, subject, nowMs);
  if (report === undefined) return [];
  const queue = report.queue === undefined ? [] : queueTroubles(report.queue, agent.reportedMs, subject);
  return [
    ...queue,
    ...lostAndSetAside(report, subject),
    ...sourceTroubles(agent, report.sources),
    ...lag(report, nowMs - agent.reportedMs, subject),
    ...clock(report, agent.reportedMs, subject),
    ...ownWords(report, subject),
  ];
}

function goneAgent({ lastSeenMs, report }: AgentFacts, subject: Subject, nowMs: number): Finding[] {
  if (nowMs - lastSeenMs > GONE_FOR_GOOD_MS) return [];
  const records = String(report === undefined ? 0 : backlogRecords(report));
  return [{ code: 'agent_gone', subject, sinceMs: lastSeenMs, values: { records } }];
}

function queueTroubles(queue: QueueStatus, reportedMs: number, subject: Subject): Finding[] {
  const findings: Finding[] = [];
  const disk = { freeBytes: Number(queue.diskFreeBytes), sizeBytes: Number(queue.diskSizeBytes) };
  const values = diskValues(disk);
  if (queue.writeErrorCode !== '') {
    const sinceMs = reportedMs - Number(queue.writeErrorMs);
    findings.push({
      ...{ subject, sinceMs },
      code: WRITE_TROUBLES.get(queue.writeErrorCode) ?? 'agent_queue_unwritable',
      values: { ...values, reason: sentence(queue.writeError) },
    });
  } else if (isLow(disk)) {
    findings.push({ code: 'agent_queue_disk_low', subject, values });
  }
  if (queue.pausedMs > 0n) {
    const sinceMs = reportedMs - Number(queue.pausedMs);
    const used = formatBytes(Number(queue.usedBytes));
    findings.push({ code: 'agent_queue_full', subject, sinceMs, values: { used } });
  }
  return findings;
}

function lostAndSetAside(report: AgentReport, subject: Subject): Finding[] {
  const findings: Finding[] = [];
  if (report.queue !== undefined && report.queue.lossesTotal > 0n)
    findings.push({
      code: 'agent_queue_lost',
      subject,
      values: { blocks: String(report.queue.lostBlocksTotal), reason: sentence(report.queue.latestLoss) },
    });
  // An agent that says nothing of its queue counts since its start.
  const kept = Number(report.queue?.setAsideBlocks ?? report.blocksSetAsideTotal);
  const dropped = Number(report.queue?.setAsideDroppedTotal ?? 0n);
  if (dropped > 0)
    findings.push({
      code: 'agent_set_aside_dropped',
      subject,
      values: { blocks: String(dropped) },
    });
  if (kept > 0) findings.push({ code: 'agent_blocks_set_aside', subject, values: { blocks: String(kept) } });
  return findings;
}

function lag(report: AgentReport, sinceReportMs: number, subject: Subject): Finding[] {
  const oldestMs = report.backlog.reduce((age, entry) => Math.max(age, Number(entry.oldestAgeMs)), 0);
  const ageMs = oldestMs + Math.max(0, sinceReportMs);
  if (oldestMs === 0 || ageMs < LAGGING_AFTER_MS) return [];
  const values = { records: String(backlogRecords(report)), age: formatDuration(ageMs) };
  return [{ code: 'agent_lagging', subject, values }];
}

function clock(report: AgentReport, reportedMs: number, subject: Subject): Finding[] {
  if (report.sentAtMs === 0n) return [];
  const offsetMs = Number(report.sentAtMs) - reportedMs;
  if (Math.abs(offsetMs) < CLOCK_OFF_BY_MS) return [];
  const agentTime = isoTime(report.sentAtMs);
  const values = { agentTime, offset: formatDuration(Math.abs(offsetMs)) };
  return [{ code: 'agent_clock_off', subject, values }];
}

/** What no other trouble says already. */
function ownWords(report: AgentReport, subject: Subject): Finding[] {
  const said = new Set(report.servers.map(({ error }) => error));
  const writeError = report.queue?.writeError ?? '';
  const sources = (report.sources?.worst ?? []).map(({ name }) => `${name}: `);
  const others = report.problems.filter(
    (problem) =>
      !said.has(problem) &&
      (writeError === '' || !problem.startsWith(writeError)) &&
      !sources.some((source) => problem.startsWith(source)),
  );
  if (others.length === 0) return [];
  return [{ code: 'agent_problem', subject, values: { reason: others.map(sentence).join(' ') } }];
}

/** Each server once, however many agents miss it. */
function unreachableServers(agents: readonly AgentFacts[]): Finding[] {
  const missed = new Map<string, { reason: string; agentIds: Set<string> }>();
  // Twins are one agent here: the sentence names agents.
  const connectedIds = new Set<string>();
  for (const { agentId, report, connected: isConnected } of agents) {
    if (!isConnected) continue;
    connectedIds.add(agentId);
    for (const { address, serverId, connected: isReached, error } of report?.servers ?? []) {
      if (isReached) continue;
      const name = serverId === '' ? address : serverId;
      const entry = missed.get(name) ?? { reason: error, agentIds: new Set() };
      entry.agentIds.add(agentId);
      missed.set(name, entry);
    }
  }
  return [...missed].map(([name, { reason, agentIds }]) => ({
    code: 'server_unreachable',
    subject: { kind: 'server', name },
    values: {
      missing: String(agentIds.size),
      connected: String(connectedIds.size),
      agents: [...agentIds].slice(0, NAMED_AGENTS).join(', ') + (agentIds.size > NAMED_AGENTS ? ', …' : ''),
      reason: sentence(reason === '' ? 'no connection yet' : reason),
    },
  }));
}

function backlogRecords(report: AgentReport): number {
  return report.backlog.reduce((records, entry) => records + Number(entry.recordCount), 0);
}
