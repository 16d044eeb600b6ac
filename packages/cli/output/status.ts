/** The state of servers, channels and agents as lines for people. */
import { formatBytes, formatDuration } from '@sluice/host/quantity-text';
import type {
  AdmissionStatus,
  AgentStatus,
  GetStatusResponse,
  SearchStatus,
  ServerStatus,
  UrgentLag,
} from '@sluice/wire/gen/query_pb';
import type { AgentServerView } from '@sluice/wire/gen/uplink_pb';
import { identityLine } from './agents.ts';
import { healthLines } from './health.ts';
import { lagMs, urgencyName } from './json-status.ts';
import { sourceLines } from './source-status.ts';
import { printable, styled } from './terminal.ts';
import { historyLines } from './uplink-history.ts';

/** Uses of channels that the text shows; `--json` has all that are kept. */
const SHOWN_USES = 12;
/** Channels of agents that a server shows; with thousands of agents the rest is only counted. */
const SHOWN_CHANNELS = 20;

/** @returns the status for people */
export function statusLines(status: GetStatusResponse): string[] {
  const store =
    status.store?.available === true ? 'available' : `not available: ${status.store?.error ?? 'unknown'}`;
  return [
    ...healthLines(status.health),
    ...urgentLines(status.urgentLag),
    `store    ${printable(store)}`,
    ...status.identityProblems.map(({ text }) => styled('yellow', `identity ${printable(text)}`)),
    ...status.servers.flatMap(serverLines),
    ...status.agents.flatMap(agentLines),
    `notices  ${status.violationsTotal} priority violation${status.violationsTotal === 1n ? '' : 's'} told`,
  ];
}

/** The figure that Sluice stands for. */
function urgentLines(urgentLag: UrgentLag | undefined): string[] {
  // A server of before it was told.
  if (urgentLag === undefined) return [];
  const { oldestMs, agentId } = urgentLag;
  if (oldestMs === 0n) return ['urgent   every urgent record is acknowledged'];
  const age = styled('bold', formatDuration(Number(oldestMs)));
  return [`urgent   the oldest record that no server has acknowledged is ${age} old (${printable(agentId)})`];
}

function admissionLine(admission: AdmissionStatus): string {
  const { loaded, outstandingBytes, drainBytesPerSecond, waitingAgents, loweredAgents } = admission;
  const told = [
    `${formatBytes(Number(outstandingBytes))} granted and not used`,
    ...(drainBytesPerSecond > 0n ? [`${formatBytes(Number(drainBytesPerSecond))}/s leave the journal`] : []),
    ...(waitingAgents > 0 ? [styled('yellow', `${counted(waitingAgents, 'request')} wait for room`)] : []),
    ...(loweredAgents > 0 ? [`ranked lower for ${counted(loweredAgents, 'agent')}`] : []),
    ...(loaded ? [styled('yellow', 'the journal is mostly full')] : []),
  ];
  return `  admission ${told.join(', ')}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function searchLine(searches: SearchStatus): string {
  const { running, waiting, answeredTotal, busyTotal, timedOutTotal } = searches;
  const told = [
    `${answeredTotal} answered`,
    ...(busyTotal > 0n ? [`${busyTotal} told to come again`] : []),
    ...(timedOutTotal > 0n ? [`${timedOutTotal} took too long`] : []),
  ];
  return `  searches ${running} running, ${waiting} waiting; ${told.join(', ')}`;
}

function serverLines(server: ServerStatus): string[] {
  const id = styled('bold', printable(server.serverId));
  const leaves = server.admission?.draining === true ? ', draining' : '';
  const lines = [`server   ${id}  ${server.state}${server.answering ? ', answering' : ''}${leaves}`];
  const channels = channelsOf(server);
  for (const { agentId, priority, quotaBytes, usedBytes, grants, marks } of channels.slice(
    0,
    SHOWN_CHANNELS,
  )) {
    const quota = `${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)} used`;
    const spread = grants === 1 ? '' : ` in ${grants} grants`;
    const told = styled('yellow', [...marks].join(', '));
    lines.push(
      `  priority ${String(priority).padEnd(3)} ${quota}${spread}  for ${printable(agentId)}  ${told}`.trimEnd(),
    );
  }
  if (channels.length > SHOWN_CHANNELS)
    lines.push(`  and ${channels.length - SHOWN_CHANNELS} more (all with --json)`);
  for (const notice of server.recentNotices.slice(-3)) {
    const outranking = (notice.notice?.outrankedBy ?? [])
      .map((other) => `${other.serverId} (holds ${other.heldPriorities.join(', ')})`)
      .join(', ');
    lines.push(
      styled(
        'yellow',
        `  notice: priority ${notice.notice?.priority} was used while outranked by ${printable(outranking)}`,
      ),
    );
  }
  if (server.journal !== undefined) {
    lines.push(
      `  journal ${server.journal.blocks} blocks, ${formatBytes(Number(server.journal.rawBytes))}; ` +
        `${server.journal.recordsLoadedTotal} records loaded`,
    );
  }
  if (server.admission !== undefined) lines.push(admissionLine(server.admission));
  lines.push(...historyLines(server.history, server.historyTotals));
  if (server.searches !== undefined) lines.push(searchLine(server.searches));
  return lines;
}

/** The channels of one priority that one agent holds, over all its live grants. */
interface ChannelLine {
  readonly agentId: string;
  readonly priority: number;
  quotaBytes: number;
  usedBytes: number;
  grants: number;
  readonly marks: Set<'stalled' | 'violating'>;
}

function channelsOf(server: ServerStatus): ChannelLine[] {
  const lines = new Map<string, ChannelLine>();
  for (const { agentId, channel } of server.channels) {
    if (channel === undefined) continue;
    const { priority } = channel;
    const key = `${priority} ${agentId}`;
    const line = lines.get(key) ?? {
      ...{ agentId, priority, quotaBytes: 0, usedBytes: 0, grants: 0, marks: new Set() },
    };
    line.quotaBytes += Number(channel.quotaBytes);
    line.usedBytes += Number(channel.usedBytes);
    line.grants += 1;
    if (channel.stalled) line.marks.add('stalled');
    if (channel.violating) line.marks.add('violating');
    lines.set(key, line);
  }
  return [...lines.values()].sort((a, b) => a.priority - b.priority);
}

function agentLines(agent: AgentStatus): string[] {
  const report = agent.report;
  const state = agent.connected ? 'connected' : 'disconnected';
  const lines = [
    `agent    ${styled('bold', printable(agent.agentId))}  ${state}, ${urgentText(agent)}lag ${formatDuration(lagMs(agent))}, ` +
      `${formatBytes(Number(report?.unreadBytes ?? 0n))} not read yet`,
  ];
  if (agent.identity !== undefined && agent.connected) lines.push(`  ${identityLine(agent.identity)}`);
  lines.push(...admittedLines(agent));
  for (const entry of report?.backlog ?? []) {
    lines.push(
      `  ${urgencyName(entry.urgency).padEnd(8)} ${entry.recordCount} records, ${formatBytes(Number(entry.rawBytes))} wait, ` +
        `oldest ${formatDuration(Number(entry.oldestAgeMs))}`,
    );
  }
  lines.push(...(report?.servers ?? []).flatMap(linkLines));
  const uses = (report?.recentUses ?? []).slice(-SHOWN_USES);
  if (uses.length > 0) {
    const order = uses.map((use) => `${printable(use.serverId)}/${use.priority}${use.violating ? '!' : ''}`);
    lines.push(`  order of use: ${order.join(' ')}`);
  }
  lines.push(...historyLines(report?.history ?? [], report?.historyTotals ?? []));
  lines.push(...sourceLines(report?.sources));
  // What is told of a source need not be said again.
  const told = new Set(report?.sources?.worst.map(({ name, reason }) => `${name}: ${reason}`));
  for (const problem of report?.problems ?? [])
    if (!told.has(problem)) lines.push(styled('yellow', `  ${printable(problem)}`));
  return lines;
}

/** How fast a server answers the agent; nothing while that is not known, and nothing is wrong. */
function linkLines(server: AgentServerView): string[] {
  const { acknowledgedBytesPerSecond, usualAnswerMs, stalled, blocksInFlight } = server;
  if (!stalled && acknowledgedBytesPerSecond === 0n && usualAnswerMs === 0n) return [];
  const told = [
    `acknowledges ${formatBytes(Number(acknowledgedBytesPerSecond))}/s`,
    `answers in ${formatDuration(Number(usualAnswerMs))}`,
    `${blocksInFlight} blocks on their way`,
    ...(stalled ? [styled('yellow', 'stalled: passed over until it answers')] : []),
  ];
  return [`  to ${printable(server.serverId)}: ${told.join(', ')}`];
}

/** Empty for an agent that has not told. */
function urgentText({ urgentLagMs }: AgentStatus): string {
  return urgentLagMs === undefined ? '' : `urgent lag ${formatDuration(Number(urgentLagMs))}, `;
}

/** What keeps the agent from sending as it would; nothing when nothing does. */
function admittedLines({ admission }: AgentStatus): string[] {
  if (admission === undefined) return [];
  const { requestWaits, loweredBy } = admission;
  return [
    ...(requestWaits ? [styled('yellow', '  its request waits for room at the answering server')] : []),
    ...(loweredBy > 0 ? [`  its channels there are ranked ${loweredBy} lower`] : []),
  ];
}
