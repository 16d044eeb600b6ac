/**
 * The state of servers, channels and agents as the stable object of `sluice status --json`.
 */
import { isoTime } from '@sluice/host/iso-time';
import type {
  AdmissionStatus,
  AgentStatus,
  GetStatusResponse,
  ReceivedNotice,
  SearchStatus,
  ServerStatus,
} from '@sluice/wire/gen/query_pb';
import {
  type ChannelState,
  type ChannelUse,
  type PriorityViolationNotice,
  type QueueStatus,
  type SentNotice,
  UrgencyClass,
} from '@sluice/wire/gen/uplink_pb';
import { type JsonIdentity, type JsonIdentityProblem, jsonIdentity, jsonIdentityProblem } from './agents.ts';
import { type JsonHealth, jsonHealth } from './health.ts';
import { type JsonSources, jsonSources } from './source-status.ts';
import { type JsonUplinkEvent, jsonHistoryTotals, jsonUplinkEvent } from './uplink-history.ts';

const URGENCY_NAMES: ReadonlyMap<UrgencyClass, string> = new Map([
  [UrgencyClass.URGENT, 'urgent'],
  [UrgencyClass.ELEVATED, 'elevated'],
  [UrgencyClass.NORMAL, 'normal'],
  [UrgencyClass.BULK, 'bulk'],
]);

/** The word for a class; a newer agent may know more of them. */
export function urgencyName(urgency: UrgencyClass): string {
  return URGENCY_NAMES.get(urgency) ?? 'unspecified';
}

interface JsonNotice {
  at: string;
  grant: string;
  channel: number;
  priority: number;
  outrankedBy: { server: string; highestPriority: number; heldPriorities: number[] }[];
}

interface JsonChannel {
  grant: string;
  channel: number;
  priority: number;
  quotaBytes: number;
  usedBytes: number;
  expiresInMs: number;
  stalled: boolean;
  violating: boolean;
}

interface JsonQueue {
  usedBytes: number;
  maxBytes: number;
  pausedMs: number;
  diskFreeBytes: number;
  diskSizeBytes: number;
  writeError: string;
  blocksSetAside: number;
  setAsideDropped: number;
}

interface JsonAdmission {
  draining: boolean;
  loaded: boolean;
  outstandingBytes: number;
  writingBytes: number;
  drainBytesPerSecond: number;
  waitingAgents: number;
  loweredAgents: number;
}

/** The stable shape of `sluice status --json`. */
export interface JsonStatus {
  health: JsonHealth;
  /** Of the oldest urgent record that no server has acknowledged; null when the server does not tell. */
  urgentLag: { oldestMs: number; agent: string } | null;
  servers: {
    id: string;
    answering: boolean;
    state: string;
    channels: (JsonChannel & { agent: string })[];
    violations: number;
    notices: (JsonNotice & { agent: string })[];
    journal: {
      blocks: number;
      rawBytes: number;
      roomBytes: number;
      recordsLoaded: number;
      blocksSetAside: number;
      diskFreeBytes: number;
      diskSizeBytes: number;
    } | null;
    searches: {
      running: number;
      waiting: number;
      answered: number;
      busy: number;
      timedOut: number;
      cancelled: number;
    } | null;
    /** What it gives and takes; null when it is not the answering server. */
    admission: JsonAdmission | null;
    /** What happened between it and its agents lately, oldest first; empty when it is not the answering server. */
    history: (JsonUplinkEvent & { agent: string })[];
    /** By kind, since its start. */
    historyTotals: Record<string, number>;
  }[];
  agents: {
    id: string;
    host: string;
    connected: boolean;
    lastSeen: string;
    backlog: Record<string, { records: number; rawBytes: number; oldestAgeMs: number }>;
    unreadBytes: number;
    /** Age of the oldest record that no search finds yet. */
    lagMs: number;
    /** Age of its oldest urgent record that no server has acknowledged; null when it has not told. */
    urgentLagMs: number | null;
    /** What the answering server gives it; null when it is not connected there. */
    admission: { outstandingBytes: number; requestWaits: boolean; loweredBy: number } | null;
    /** Null for an agent that does not tell of its queue. */
    queue: JsonQueue | null;
    recordsAcknowledged: number;
    blocksSetAside: number;
    servers: {
      address: string;
      id: string;
      connected: boolean;
      error: string;
      blocksInFlight: number;
      /** It owes an answer for too long, and is passed over. */
      stalled: boolean;
      /** As the agent measures them; 0: not known. */
      acknowledgedBytesPerSecond: number;
      usualAnswerMs: number;
      channels: JsonChannel[];
    }[];
    /** The order of use, oldest first. */
    uses: {
      at: string;
      server: string;
      grant: string;
      channel: number;
      priority: number;
      urgency: string;
      rawBytes: number;
      records: number;
      violating: boolean;
    }[];
    notices: (JsonNotice & { server: string })[];
    violations: number;
    /** What happened between it and its servers lately, oldest first. */
    history: (JsonUplinkEvent & { server: string })[];
    /** By kind, since its start. */
    historyTotals: Record<string, number>;
    problems: string[];
    /** How its sources are; null when it does not tell. */
    sources: JsonSources | null;
    /** Who it is; null for one that only others know. Twins are entries of the same id. */
    identity: JsonIdentity | null;
  }[];
  violations: number;
  /** What is wrong with who agents are. */
  identityProblems: JsonIdentityProblem[];
  store: { available: boolean; error: string; version: string };
}

/** @returns the status in the shape of `--json` */
export function jsonStatus(status: GetStatusResponse): JsonStatus {
  return {
    health: jsonHealth(status.health),
    urgentLag:
      status.urgentLag === undefined
        ? null
        : { oldestMs: Number(status.urgentLag.oldestMs), agent: status.urgentLag.agentId },
    servers: status.servers.map(jsonServer),
    agents: status.agents.map(jsonAgent),
    violations: Number(status.violationsTotal),
    identityProblems: status.identityProblems.map(jsonIdentityProblem),
    store: {
      available: status.store?.available ?? false,
      error: status.store?.error ?? '',
      version: status.store?.version ?? '',
    },
  };
}

function jsonServer(server: ServerStatus): JsonStatus['servers'][number] {
  const journal = server.journal;
  return {
    id: server.serverId,
    answering: server.answering,
    state: server.state,
    channels: server.channels.flatMap(({ agentId, channel }) =>
      channel === undefined ? [] : [{ agent: agentId, ...jsonChannel(channel) }],
    ),
    violations: Number(server.violationsTotal),
    notices: server.recentNotices.map((notice: ReceivedNotice) => ({
      agent: notice.agentId,
      ...jsonNotice(notice.atMs, notice.notice),
    })),
    journal:
      journal === undefined
        ? null
        : {
            blocks: Number(journal.blocks),
            rawBytes: Number(journal.rawBytes),
            roomBytes: Number(journal.roomBytes),
            recordsLoaded: Number(journal.recordsLoadedTotal),
            blocksSetAside: Number(journal.blocksSetAsideTotal),
            diskFreeBytes: Number(journal.diskFreeBytes),
            diskSizeBytes: Number(journal.diskSizeBytes),
          },
    searches: server.searches === undefined ? null : jsonSearches(server.searches),
    admission: server.admission === undefined ? null : jsonAdmission(server.admission),
    history: server.history.map((event) => ({ agent: event.peerId, ...jsonUplinkEvent(event) })),
    historyTotals: jsonHistoryTotals(server.historyTotals),
  };
}

function jsonAdmission(admission: AdmissionStatus): JsonAdmission {
  const { draining, loaded, waitingAgents, loweredAgents } = admission;
  return {
    ...{ draining, loaded, waitingAgents, loweredAgents },
    outstandingBytes: Number(admission.outstandingBytes),
    writingBytes: Number(admission.writingBytes),
    drainBytesPerSecond: Number(admission.drainBytesPerSecond),
  };
}

function jsonSearches(searches: SearchStatus): NonNullable<JsonStatus['servers'][number]['searches']> {
  return {
    running: searches.running,
    waiting: searches.waiting,
    answered: Number(searches.answeredTotal),
    busy: Number(searches.busyTotal),
    timedOut: Number(searches.timedOutTotal),
    cancelled: Number(searches.cancelledTotal),
  };
}

function jsonAgent(agent: AgentStatus): JsonStatus['agents'][number] {
  const report = agent.report;
  return {
    id: agent.agentId,
    host: report?.hostName ?? '',
    connected: agent.connected,
    lastSeen: isoTime(agent.lastSeenMs),
    backlog: Object.fromEntries(
      (report?.backlog ?? []).map((entry) => [
        urgencyName(entry.urgency),
        {
          records: Number(entry.recordCount),
          rawBytes: Number(entry.rawBytes),
          oldestAgeMs: Number(entry.oldestAgeMs),
        },
      ]),
    ),
    unreadBytes: Number(report?.unreadBytes ?? 0n),
    lagMs: lagMs(agent),
    urgentLagMs: agent.urgentLagMs === undefined ? null : Number(agent.urgentLagMs),
    admission:
      agent.admission === undefined
        ? null
        : {
            outstandingBytes: Number(agent.admission.outstandingBytes),
            requestWaits: agent.admission.requestWaits,
            loweredBy: agent.admission.loweredBy,
          },
    queue: report?.queue === undefined ? null : jsonQueue(report.queue),
    recordsAcknowledged: Number(report?.recordsAcknowledgedTotal ?? 0n),
    blocksSetAside: Number(report?.blocksSetAsideTotal ?? 0n),
    servers: (report?.servers ?? []).map((server) => ({
      address: server.address,
      id: server.serverId,
      connected: server.connected,
      error: server.error,
      blocksInFlight: server.blocksInFlight,
      stalled: server.stalled,
      acknowledgedBytesPerSecond: Number(server.acknowledgedBytesPerSecond),
      usualAnswerMs: Number(server.usualAnswerMs),
      channels: server.channels.map(jsonChannel),
    })),
    uses: (report?.recentUses ?? []).map((use: ChannelUse) => ({
      at: isoTime(use.atMs),
      server: use.serverId,
      grant: use.grantId,
      channel: use.channel,
      priority: use.priority,
      urgency: urgencyName(use.urgency),
      rawBytes: Number(use.rawBytes),
      records: use.recordCount,
      violating: use.violating,
    })),
    notices: (report?.recentNotices ?? []).map((notice: SentNotice) => ({
      server: notice.serverId,
      ...jsonNotice(notice.atMs, notice.notice),
    })),
    violations: Number(report?.noticesTotal ?? 0n),
    history: (report?.history ?? []).map((event) => ({ server: event.peerId, ...jsonUplinkEvent(event) })),
    historyTotals: jsonHistoryTotals(report?.historyTotals ?? []),
    problems: report?.problems ?? [],
    sources: jsonSources(report?.sources),
    identity: agent.identity === undefined ? null : jsonIdentity(agent.identity),
  };
}

function jsonQueue(queue: QueueStatus): JsonQueue {
  return {
    usedBytes: Number(queue.usedBytes),
    maxBytes: Number(queue.maxBytes),
    pausedMs: Number(queue.pausedMs),
    diskFreeBytes: Number(queue.diskFreeBytes),
    diskSizeBytes: Number(queue.diskSizeBytes),
    writeError: queue.writeError,
    blocksSetAside: Number(queue.setAsideBlocks),
    setAsideDropped: Number(queue.setAsideDroppedTotal),
  };
}

function jsonChannel(channel: ChannelState): JsonChannel {
  return {
    grant: channel.grantId,
    channel: channel.channel,
    priority: channel.priority,
    quotaBytes: Number(channel.quotaBytes),
    usedBytes: Number(channel.usedBytes),
    expiresInMs: Number(channel.expiresInMs),
    stalled: channel.stalled,
    violating: channel.violating,
  };
}

function jsonNotice(atMs: bigint, notice: PriorityViolationNotice | undefined): JsonNotice {
  return {
    at: isoTime(atMs),
    grant: notice?.grantId ?? '',
    channel: notice?.channel ?? 0,
    priority: notice?.priority ?? 0,
    outrankedBy: (notice?.outrankedBy ?? []).map((server) => ({
      server: server.serverId,
      highestPriority: server.highestPriority,
      heldPriorities: server.heldPriorities,
    })),
  };
}

/**
 * Age of the oldest record that cannot be found yet, or of the oldest byte that was not read; of an agent that is gone, as
 * old as it was when it was last seen.
 */
export function lagMs({ connected, oldestUnsearchableMs, report }: AgentStatus): number {
  const unreadMs = Number(report?.sources?.oldestUnreadMs ?? 0n);
  return Math.max(Number(oldestUnsearchableMs), unreadMs, connected ? 0 : Number(report?.lagMs ?? 0n));
}
