/**
 * The agent's report to its servers: what it knows of itself and of all its servers, for people to look at.
 *
 * Invariants: everything in it comes from the machine's view, the connections' views and the caller's extras; nothing
 * here keeps state; every list is bounded.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { MAX_TOLD_SOURCES, type SourceStates } from '@sluice/source/source-states';
import { writeUrgency } from '@sluice/wire/convert/fields';
import { writeNotice } from '@sluice/wire/convert/notice';
import { writeBacklog } from '@sluice/wire/convert/request';
import { writeUplinkEvent, writeUplinkEventCounts } from '@sluice/wire/convert/uplink-event';
import type {
  AgentReport,
  AgentServerView,
  QueueStatusSchema,
  SourceStatesSchema,
} from '@sluice/wire/gen/uplink_pb';
import {
  AgentReportSchema,
  AgentServerViewSchema,
  ChannelStateSchema,
  ChannelUseSchema,
  SentNoticeSchema,
  SourceCondition,
} from '@sluice/wire/gen/uplink_pb';
import { MAX_PROBLEM_LENGTH, MAX_PROBLEMS, MAX_REPORTED_CHANNELS, MAX_REPORTED_USES } from './limits.ts';
import type { ConnectionView, UplinkView } from './uplink-view.ts';

/** What only the agent's other parts know. */
export interface QueueFacts {
  readonly usedBytes: number;
  readonly maxBytes: number;
  /** For how long reading has paused because the queue is full; 0: it does not. */
  readonly pausedMs: number;
  /** Of the disk under the queue; undefined when it cannot be seen. */
  readonly disk: { readonly freeBytes: number; readonly sizeBytes: number } | undefined;
  /** Why the queue cannot be written, and for how long already. */
  readonly writeFailure:
    | { readonly code: string; readonly message: string; readonly forMs: number }
    | undefined;
  readonly setAsideBlocks: number;
  /** Ever. */
  readonly setAsideDroppedTotal: number;
  /** What was lost of the queue and nobody has acknowledged. */
  readonly lossTotals: { readonly losses: number; readonly blocks: number };
  /** The latest of it in words; empty: nothing. */
  readonly latestLoss: string;
}

export interface ReportExtras {
  /** Bytes of the watched files that are not read yet. */
  readonly unreadBytes: number;
  /** For people: a file that cannot be read, a full disk. */
  readonly problems: readonly string[];
  readonly queue?: QueueFacts;
  /** How the sources are; undefined while there are none yet. */
  readonly sources?: SourceStates;
}

/** The report as a message, made at `nowMs`; sizes are bounded by the limits named above. */
export function buildReport(
  hostName: string,
  view: UplinkView,
  extras: ReportExtras,
  nowMs: number,
): AgentReport {
  const { machine } = view;
  return create(AgentReportSchema, {
    hostName,
    backlog: machine.backlog.map(writeBacklog),
    unreadBytes: count(extras.unreadBytes),
    lagMs: count(Math.max(machine.lagMs, extras.sources?.oldestUnreadAgeMs ?? 0)),
    servers: view.connections.map((connection) => serverView(connection, machine)),
    recentUses: machine.recentUses.slice(-MAX_REPORTED_USES).map((use) =>
      create(ChannelUseSchema, {
        atMs: count(use.atMs),
        serverId: use.serverId,
        grantId: use.grantId,
        channel: use.channel,
        priority: use.priority,
        urgency: writeUrgency(use.urgency),
        rawBytes: count(use.rawBytes),
        recordCount: use.recordCount,
        violating: use.violating,
      }),
    ),
    recentNotices: machine.recentNotices.slice(-MAX_REPORTED_USES).map((sent) =>
      create(SentNoticeSchema, {
        atMs: count(sent.atMs),
        serverId: sent.serverId,
        notice: writeNotice(sent.notice),
      }),
    ),
    noticesTotal: count(machine.noticesTotal),
    recordsAcknowledgedTotal: count(machine.recordsAcknowledgedTotal),
    blocksSetAsideTotal: count(machine.blocksSetAsideTotal),
    problems: [...extras.problems, ...view.problems]
      .slice(0, MAX_PROBLEMS)
      .map((problem) => problem.slice(0, MAX_PROBLEM_LENGTH)),
    sentAtMs: count(nowMs),
    urgentLagMs: count(machine.urgentLagMs),
    history: machine.history.map((happening) => writeUplinkEvent(happening, happening.serverId)),
    historyTotals: writeUplinkEventCounts(machine.historyTotals),
    ...defined({
      queue: extras.queue && queueStatus(extras.queue),
      sources: extras.sources && sourceStates(extras.sources),
    }),
  });
}

function queueStatus(queue: QueueFacts): MessageInitShape<typeof QueueStatusSchema> {
  const { disk, writeFailure } = queue;
  return {
    usedBytes: count(queue.usedBytes),
    maxBytes: count(queue.maxBytes),
    pausedMs: count(queue.pausedMs),
    diskFreeBytes: count(disk?.freeBytes ?? 0),
    diskSizeBytes: count(disk?.sizeBytes ?? 0),
    writeErrorCode: writeFailure?.code ?? '',
    writeError: (writeFailure?.message ?? '').slice(0, MAX_PROBLEM_LENGTH),
    writeErrorMs: count(writeFailure?.forMs ?? 0),
    setAsideBlocks: count(queue.setAsideBlocks),
    setAsideDroppedTotal: count(queue.setAsideDroppedTotal),
    lossesTotal: count(queue.lossTotals.losses),
    lostBlocksTotal: count(queue.lossTotals.blocks),
    latestLoss: queue.latestLoss.slice(0, MAX_PROBLEM_LENGTH),
  };
}

function sourceStates(states: SourceStates): MessageInitShape<typeof SourceStatesSchema> {
  return {
    streams: count(states.streams),
    failing: count(states.failing),
    stuck: count(states.stuck),
    vanished: count(states.vanished),
    vanishedBytes: count(states.vanishedBytes),
    unparsedRecords: count(states.unparsedRecords),
    failedRecords: count(states.failedRecords),
    droppedRecords: count(states.droppedRecords),
    readErrors: count(states.readErrors),
    oldestUnreadMs: count(states.oldestUnreadAgeMs),
    worst: states.worst.slice(0, MAX_TOLD_SOURCES).map((source) => ({
      kind: source.kind,
      name: source.name.slice(0, MAX_PROBLEM_LENGTH),
      condition: CONDITIONS[source.condition],
      forMs: count(source.forMs),
      reason: source.reason.slice(0, MAX_PROBLEM_LENGTH),
      unreadBytes: count(source.unreadBytes),
      unparsedRecords: count(source.unparsedRecords),
      failedRecords: count(source.failedRecords),
      readErrors: count(source.readErrors),
    })),
  };
}

const CONDITIONS: Readonly<Record<SourceStates['worst'][number]['condition'], SourceCondition>> = {
  reading: SourceCondition.READING,
  failing: SourceCondition.FAILING,
  stuck: SourceCondition.STUCK,
  vanished: SourceCondition.VANISHED,
};

function serverView(connection: ConnectionView, machine: UplinkView['machine']): AgentServerView {
  const { serverId, connected } = connection;
  const server = connected ? machine.servers.find((known) => known.serverId === serverId) : undefined;
  return create(AgentServerViewSchema, {
    address: connection.address,
    serverId: serverId ?? '',
    connected,
    error: connection.error ?? '',
    blocksInFlight: connection.blocksInFlight,
    stalled: server?.stalled ?? false,
    acknowledgedBytesPerSecond: count(server?.acknowledgedBytesPerSecond ?? 0),
    usualAnswerMs: count(server?.usualAnswerMs ?? 0),
    channels: (server?.channels ?? []).slice(0, MAX_REPORTED_CHANNELS).map((channel) =>
      create(ChannelStateSchema, {
        grantId: channel.grantId,
        channel: channel.channel,
        priority: channel.priority,
        quotaBytes: count(channel.quotaBytes),
        usedBytes: count(channel.usedBytes),
        expiresInMs: count(channel.expiresInMs),
        stalled: channel.stalled,
        violating: channel.violating,
      }),
    ),
  });
}

/** A count or time as the wire's unsigned integer; what is no number (an extra gone wrong) counts as 0. */
function count(value: number): bigint {
  if (!Number.isFinite(value)) return 0n;
  return BigInt(Math.max(0, Math.trunc(value)));
}
