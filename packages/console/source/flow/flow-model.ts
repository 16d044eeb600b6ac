/**
 * What the flow view shows, from the status that a server answers. Pure.
 *
 * Agents' reports are the truth about channels, since only an agent sees the channels of all servers; what a server
 * says of itself is added. Invariants: channels come in the order of use (priority, then server, then grant and
 * channel, as the agent breaks ties); servers have a place of their own in `servers`, which is also their colour.
 */
import type {
  AdmissionStatus,
  AgentAdmission,
  AgentStatus,
  GetStatusResponse,
  JournalStatus,
  ServerStatus,
} from '@sluice/wire/gen/query_pb';
import type { ChannelState, ClassBacklog } from '@sluice/wire/gen/uplink_pb';
import { SourceCondition, UrgencyClass } from '@sluice/wire/gen/uplink_pb';

export interface FlowServer {
  /** Its name; its address while it has not said its name. */
  readonly id: string;
  readonly connected: boolean;
  readonly answering: boolean;
  /** Why it is not connected, in the words of an agent. */
  readonly error: string;
  readonly channelCount: number;
  readonly blocksInFlight: number;
  /** Agents that pass it over because it owes an answer. */
  readonly stalledFor: number;
  /** From the sending of a block to its answer, at the agent for which it takes longest; 0: not known. */
  readonly usualAnswerMs: number;
  readonly noticesTotal: bigint;
  readonly journal: JournalStatus | undefined;
  /** Only of the server that answers. */
  readonly admission: AdmissionStatus | undefined;
}

export interface FlowChannel {
  readonly key: string;
  readonly agentId: string;
  readonly serverId: string;
  readonly grantId: string;
  readonly channel: number;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly usedBytes: number;
  /** 0 to 1. */
  readonly usedShare: number;
  readonly expiresInMs: number;
  readonly stalled: boolean;
  readonly violating: boolean;
}

export interface FlowBacklog {
  readonly urgency: 'urgent' | 'elevated' | 'normal' | 'bulk';
  readonly recordCount: bigint;
  readonly rawBytes: bigint;
  readonly oldestAgeMs: bigint;
}

export interface FlowAgent {
  readonly id: string;
  readonly hostName: string;
  readonly connected: boolean;
  readonly lastSeenMs: number;
  readonly reported: boolean;
  /** All four classes, most urgent first. */
  readonly backlog: readonly FlowBacklog[];
  readonly unreadBytes: bigint;
  readonly lagMs: bigint;
  /** Age of its oldest urgent record that no server has acknowledged; undefined when it has not told. */
  readonly urgentLagMs: bigint | undefined;
  /** What the answering server gives it. */
  readonly admission: AgentAdmission | undefined;
  readonly recordsAcknowledgedTotal: bigint;
  readonly blocksSetAsideTotal: bigint;
  /** What is not told of a source. */
  readonly problems: readonly string[];
  /** The worst first; none when all is well. */
  readonly sources: readonly FlowSource[];
}

export interface FlowSource {
  readonly name: string;
  readonly condition: 'reading' | 'failing' | 'stuck' | 'vanished' | 'unspecified';
  /** For how long it has failed or been stuck, or how long ago it vanished; 0: it reads on. */
  readonly forMs: number;
  readonly reason: string;
  readonly unreadBytes: bigint;
  readonly unparsedRecords: bigint;
  readonly failedRecords: bigint;
}

export interface FlowModel {
  readonly servers: readonly FlowServer[];
  readonly agents: readonly FlowAgent[];
  readonly channels: readonly FlowChannel[];
  readonly noticesTotal: bigint;
}

const URGENCIES = [
  ['urgent', UrgencyClass.URGENT],
  ['elevated', UrgencyClass.ELEVATED],
  ['normal', UrgencyClass.NORMAL],
  ['bulk', UrgencyClass.BULK],
] as const;

export function toFlowModel(status: GetStatusResponse): FlowModel {
  const channels = collectChannels(status);
  return {
    channels,
    servers: collectServers(status, channels),
    agents: status.agents.map(toAgent).sort((a, b) => compare(a.id, b.id)),
    noticesTotal: status.violationsTotal,
  };
}

function collectChannels(status: GetStatusResponse): FlowChannel[] {
  const found = new Map<string, FlowChannel>();
  const add = (agentId: string, serverId: string, state: ChannelState): void => {
    const channel = toChannel(agentId, serverId, state);
    if (!found.has(channel.key)) found.set(channel.key, channel);
  };
  for (const agent of status.agents) {
    for (const server of agent.report?.servers ?? []) {
      for (const state of server.channels) add(agent.agentId, server.serverId || server.address, state);
    }
  }
  // A server also knows of channels of agents that have not reported them yet.
  const reporting = new Set(
    status.agents.filter((agent) => agent.report !== undefined).map((agent) => agent.agentId),
  );
  for (const server of status.servers) {
    for (const { agentId, channel } of server.channels) {
      if (channel !== undefined && !reporting.has(agentId)) add(agentId, server.serverId, channel);
    }
  }
  return [...found.values()].sort(compareChannels);
}

function toChannel(agentId: string, serverId: string, state: ChannelState): FlowChannel {
  const quotaBytes = Number(state.quotaBytes);
  const usedBytes = Number(state.usedBytes);
  return {
    key: `${agentId}/${serverId}/${state.grantId}/${state.channel}`,
    agentId,
    serverId,
    grantId: state.grantId,
    channel: state.channel,
    priority: state.priority,
    quotaBytes,
    usedBytes,
    usedShare: quotaBytes === 0 ? 1 : Math.min(1, usedBytes / quotaBytes),
    expiresInMs: Number(state.expiresInMs),
    stalled: state.stalled,
    violating: state.violating,
  };
}

/** The order of use: priority first, ties as the agent breaks them. */
function compareChannels(a: FlowChannel, b: FlowChannel): number {
  return (
    a.priority - b.priority ||
    compare(a.serverId, b.serverId) ||
    compare(a.grantId, b.grantId) ||
    a.channel - b.channel ||
    compare(a.agentId, b.agentId)
  );
}

function collectServers(status: GetStatusResponse, channels: readonly FlowChannel[]): FlowServer[] {
  const own = new Map<string, ServerStatus>(status.servers.map((server) => [server.serverId, server]));
  const views = status.agents.flatMap((agent) => agent.report?.servers ?? []);
  const ids = new Set([...own.keys(), ...views.map((view) => view.serverId || view.address)]);
  return [...ids].sort(compare).map((id) => {
    const server = own.get(id);
    const seen = views.filter((view) => (view.serverId || view.address) === id);
    return {
      id,
      connected:
        server?.answering === true || server?.state === 'connected' || seen.some((view) => view.connected),
      answering: server?.answering ?? false,
      error: seen.find((view) => !view.connected && view.error !== '')?.error ?? '',
      channelCount: channels.filter((channel) => channel.serverId === id).length,
      blocksInFlight: seen.reduce((sum, view) => sum + view.blocksInFlight, 0),
      stalledFor: seen.filter((view) => view.connected && view.stalled).length,
      usualAnswerMs: Math.max(0, ...seen.map((view) => Number(view.usualAnswerMs))),
      noticesTotal: server?.violationsTotal ?? 0n,
      journal: server?.journal,
      admission: server?.admission,
    };
  });
}

function toAgent(agent: AgentStatus): FlowAgent {
  const { report } = agent;
  const sources = report?.sources?.worst ?? [];
  // The same is in the list of problems, for servers and consoles that know of no sources.
  const told = new Set(sources.map(({ name, reason }) => `${name}: ${reason}`));
  return {
    id: agent.agentId,
    hostName: report?.hostName ?? '',
    connected: agent.connected,
    lastSeenMs: Number(agent.lastSeenMs),
    reported: report !== undefined,
    backlog: URGENCIES.map(([urgency, number]) => toBacklog(urgency, number, report?.backlog ?? [])),
    unreadBytes: report?.unreadBytes ?? 0n,
    lagMs: report?.lagMs ?? 0n,
    urgentLagMs: agent.urgentLagMs,
    admission: agent.admission,
    recordsAcknowledgedTotal: report?.recordsAcknowledgedTotal ?? 0n,
    blocksSetAsideTotal: report?.blocksSetAsideTotal ?? 0n,
    problems: (report?.problems ?? []).filter((problem) => !told.has(problem)),
    sources: sources.map((source) => ({
      name: source.name,
      condition: CONDITIONS.get(source.condition) ?? 'unspecified',
      forMs: Number(source.forMs),
      reason: source.reason,
      unreadBytes: source.unreadBytes,
      unparsedRecords: source.unparsedRecords,
      failedRecords: source.failedRecords,
    })),
  };
}

const CONDITIONS: ReadonlyMap<SourceCondition, FlowSource['condition']> = new Map([
  [SourceCondition.READING, 'reading'],
  [SourceCondition.FAILING, 'failing'],
  [SourceCondition.STUCK, 'stuck'],
  [SourceCondition.VANISHED, 'vanished'],
]);

function toBacklog(
  urgency: FlowBacklog['urgency'],
  number: UrgencyClass,
  all: readonly ClassBacklog[],
): FlowBacklog {
  const found = all.find((entry) => entry.urgency === number);
  return {
    urgency,
    recordCount: found?.recordCount ?? 0n,
    rawBytes: found?.rawBytes ?? 0n,
    oldestAgeMs: found?.oldestAgeMs ?? 0n,
  };
}

/** By code points: the order in which servers break ties, and the same in every language. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
