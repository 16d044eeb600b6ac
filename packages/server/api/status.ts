/**
 * The status answer: the answering server's own view, what agents report of themselves and of all their servers, and
 * the state of journal and store, as one picture. Pure.
 *
 * Invariants: a server stands in it once, whoever saw it; of the answering server only its own word counts; a notice
 * is counted once, at the server that it was sent to.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { writeUrgency } from '@sluice/wire/convert/fields';
import type {
  AdmissionStatusSchema,
  AgentAdmissionSchema,
  AgentIdentitySchema,
  AgentStatusSchema,
  GetStatusResponseSchema,
  HealthSchema,
  IdentityProblemSchema,
  JournalStatusSchema,
  ReceivedNoticeSchema,
  SearchStatusSchema,
  ServerChannelSchema,
  ServerStatusSchema,
  StoreStatusSchema,
} from '@sluice/wire/gen/query_pb';
import { ProblemSeverity } from '@sluice/wire/gen/query_pb';
import {
  type AgentReport,
  AgentReportSchema,
  type AgentServerView,
  type UplinkEventCountSchema,
  type UplinkEventSchema,
} from '@sluice/wire/gen/uplink_pb';
import type { HealthView } from '../health/health.ts';

type ServerStatusInit = MessageInitShape<typeof ServerStatusSchema>;
type ReceivedNoticeInit = MessageInitShape<typeof ReceivedNoticeSchema>;

/** Notices shown of one server: the latest tell what happens now, the count tells the rest. */
export const MAX_SHOWN_NOTICES = 50;

/**
 * Events of the uplink that agents told, in one answer: of thousands of agents each shows a few, and the totals tell the rest.
 */
export const MAX_SHOWN_EVENTS = 4096;
/** Of each agent at least, whatever the number of agents. */
const LEAST_SHOWN_EVENTS = 4;

/** What the answering server knows first-hand. */
export interface OwnServer {
  readonly serverId: string;
  readonly channels: readonly MessageInitShape<typeof ServerChannelSchema>[];
  /** Notices that it received, in all its life. */
  readonly violationsTotal: bigint;
  /** In any order. */
  readonly recentNotices: readonly ReceivedNoticeInit[];
  readonly admission: MessageInitShape<typeof AdmissionStatusSchema>;
  /** Oldest first. */
  readonly history: readonly MessageInitShape<typeof UplinkEventSchema>[];
  readonly historyTotals: readonly MessageInitShape<typeof UplinkEventCountSchema>[];
}

export interface ReportingAgent {
  readonly agentId: string;
  readonly connected: boolean;
  readonly lastSeenMs: number;
  /** The latest report; undefined until one came. */
  readonly report: AgentReport | undefined;
  /** Who it is, as far as it has proven it. */
  readonly identity?: MessageInitShape<typeof AgentIdentitySchema>;
  /** What this server gives it; undefined when it is not connected. */
  readonly admission?: MessageInitShape<typeof AgentAdmissionSchema> | undefined;
}

export interface StatusParts {
  readonly own: OwnServer;
  readonly agents: readonly ReportingAgent[];
  readonly journal?: MessageInitShape<typeof JournalStatusSchema>;
  readonly searches?: MessageInitShape<typeof SearchStatusSchema>;
  readonly store: MessageInitShape<typeof StoreStatusSchema>;
  readonly health: HealthView;
  readonly identityProblems?: readonly MessageInitShape<typeof IdentityProblemSchema>[];
}

export function mergeStatus(parts: StatusParts): MessageInitShape<typeof GetStatusResponseSchema> {
  const { own, agents, store, health, identityProblems = [] } = parts;
  const shownEvents = Math.max(LEAST_SHOWN_EVENTS, Math.floor(MAX_SHOWN_EVENTS / Math.max(1, agents.length)));
  const servers = [ownStatus(parts), ...seenServers(own.serverId, agents)];
  return {
    servers,
    agents: agents.map((agent) => agentStatus(agent, health, shownEvents)),
    violationsTotal: servers.reduce((sum, server) => sum + (server.violationsTotal ?? 0n), 0n),
    store,
    health: healthMessage(health),
    identityProblems: [...identityProblems],
    urgentLag: { oldestMs: told(health.urgentLag.oldestMs), agentId: health.urgentLag.agentId ?? '' },
  };
}

function ownStatus({ own, journal, searches }: StatusParts): ServerStatusInit {
  return {
    serverId: own.serverId,
    answering: true,
    state: 'connected',
    channels: [...own.channels],
    violationsTotal: own.violationsTotal,
    recentNotices: latest(own.recentNotices),
    admission: own.admission,
    history: [...own.history],
    historyTotals: [...own.historyTotals],
    ...defined({ journal, searches }),
  };
}

/**
 * The servers that only agents tell of. An agent says the total of its notices for all its servers together; of the
 * others, only the recent ones can be counted, and they are.
 */
function seenServers(ownId: string, agents: readonly ReportingAgent[]): ServerStatusInit[] {
  const seen = new Map<string, SeenServer>();
  for (const agent of agents) {
    for (const view of agent.report?.servers ?? []) {
      // A server that never said its name is known by its address.
      const serverId = view.serverId === '' ? view.address : view.serverId;
      if (serverId !== ownId) seenAs(seen, serverId).look(agent, view);
    }
    for (const { atMs, serverId, notice } of agent.report?.recentNotices ?? []) {
      if (serverId === ownId || notice === undefined) continue;
      seenAs(seen, serverId).notices.push({ atMs, agentId: agent.agentId, notice });
    }
  }
  return [...seen.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([serverId, server]) => ({
      serverId,
      answering: false,
      state: server.connected ? 'connected' : 'disconnected',
      channels: server.channels,
      violationsTotal: BigInt(server.notices.length),
      recentNotices: latest(server.notices),
    }));
}

class SeenServer {
  connected = false;
  readonly channels: MessageInitShape<typeof ServerChannelSchema>[] = [];
  readonly notices: ReceivedNoticeInit[] = [];

  look(agent: ReportingAgent, view: AgentServerView): void {
    // What an agent that left last said of its channels is over.
    if (!agent.connected || !view.connected) return;
    this.connected = true;
    for (const channel of view.channels) this.channels.push({ agentId: agent.agentId, channel });
  }
}

function seenAs(seen: Map<string, SeenServer>, serverId: string): SeenServer {
  const server = seen.get(serverId) ?? new SeenServer();
  seen.set(serverId, server);
  return server;
}

/** The health of a moment as a message. */
function healthMessage({
  atMs,
  problems,
  counts,
  unsearchable,
}: HealthView): MessageInitShape<typeof HealthSchema> {
  return {
    atMs: BigInt(atMs),
    problems: problems.map(({ code, severity, sinceMs, subject, summary, action, values }) => ({
      ...{ code, summary, action, values: { ...values } },
      severity: severity === 'error' ? ProblemSeverity.ERROR : ProblemSeverity.WARNING,
      sinceMs: BigInt(sinceMs),
      subjectKind: subject.kind,
      subject: subject.name,
    })),
    problemsTotal: [...counts.values()].reduce((total, count) => total + count, 0),
    oldestUnsearchableMs: told(unsearchable.oldestMs),
    unsearchable: unsearchable.classes.map(({ urgency, records, oldestMs }) => ({
      urgency: writeUrgency(urgency),
      recordCount: told(records),
      oldestAgeMs: told(oldestMs),
    })),
  };
}

/** @param shownEvents as many of the uplink's latest events are told */
function agentStatus(
  agent: ReportingAgent,
  health: HealthView,
  shownEvents: number,
): MessageInitShape<typeof AgentStatusSchema> {
  const oldestMs = health.unsearchable.oldestMsByAgent.get(agent.agentId) ?? 0;
  const urgentLagMs = health.urgentLag.msByAgent.get(agent.agentId);
  return {
    oldestUnsearchableMs: told(oldestMs),
    agentId: agent.agentId,
    connected: agent.connected,
    lastSeenMs: BigInt(agent.lastSeenMs),
    ...defined({
      report: agent.report && withLatestEvents(agent.report, shownEvents),
      identity: agent.identity,
      urgentLagMs: urgentLagMs === undefined ? undefined : told(urgentLagMs),
      admission: agent.admission,
    }),
  };
}

/**
 * A number that was made of what agents tell, for a uint64. Agents may tell anything: an age of 2^64 - 1 that grew since, or
 * a sum of such, fitted no message, and nobody saw the status any more.
 */
function told(value: number): bigint {
  return BigInt(Math.min(Math.max(0, Math.round(value)), Number.MAX_SAFE_INTEGER));
}

/** The report itself when it tells no more than that. */
function withLatestEvents(report: AgentReport, most: number): AgentReport {
  if (report.history.length <= most) return report;
  return create(AgentReportSchema, { ...report, history: report.history.slice(-most) });
}

/** The latest notices, newest first. */
function latest(notices: readonly ReceivedNoticeInit[]): ReceivedNoticeInit[] {
  return [...notices]
    .sort((one, other) => Number((other.atMs ?? 0n) - (one.atMs ?? 0n)))
    .slice(0, MAX_SHOWN_NOTICES);
}
