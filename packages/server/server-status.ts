/** Gathers what a server knows first-hand for the status answer. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { writeNotice } from '@sluice/wire/convert/notice';
import { writeUplinkEvent, writeUplinkEventCounts } from '@sluice/wire/convert/uplink-event';
import type { GetStatusResponseSchema, IdentityProblemSchema } from '@sluice/wire/gen/query_pb';
import { admissionStatus, agentAdmissions } from './admission-status.ts';
import { mergeStatus } from './api/status.ts';
import type { HealthWatch } from './health/health-watch.ts';
import { agentIdentity } from './identity/agent-service.ts';
import type { Ingest } from './ingest/ingest.ts';
import type { Journal } from './journal/journal.ts';
import type { SearchStatistics } from './search/search-turns.ts';
import type { StoreState } from './store/store-monitor.ts';

export interface StatusSources {
  readonly serverId: string;
  readonly ingest: Ingest;
  readonly journal: Journal;
  /** Records that the store confirmed since the start. */
  readonly recordsLoaded: number;
  readonly searches: SearchStatistics;
  readonly store: StoreState;
  readonly health: HealthWatch;
  readonly identityProblems: readonly MessageInitShape<typeof IdentityProblemSchema>[];
}

/** @returns the state of this server and, through its agents' reports, of all others that these know */
export function serverStatus(sources: StatusSources): MessageInitShape<typeof GetStatusResponseSchema> {
  const { serverId, ingest, journal, searches, store } = sources;
  const view = ingest.view();
  const health = sources.health.view();
  const { disk } = sources.health;
  const admissions = agentAdmissions(view);
  // What violates is decided at the agent; a notice names the channel.
  const violating = new Set(ingest.notices().map(({ notice }) => `${notice.grantId}/${notice.channel}`));
  const { lanes, heldRawBytes, roomBytes, setAsideBlocks, setAsideDroppedTotal, lossTotals, losses } =
    journal.statistics;
  return mergeStatus({
    own: {
      serverId,
      channels: view.agents.flatMap(({ agentId, channels }) =>
        channels.map((channel) => ({
          agentId,
          channel: {
            grantId: channel.grantId,
            channel: channel.channel,
            priority: channel.priority,
            quotaBytes: BigInt(channel.quotaBytes),
            usedBytes: BigInt(channel.usedBytes),
            expiresInMs: BigInt(Math.max(0, Math.round(channel.expiresInMs))),
            violating: violating.has(`${channel.grantId}/${channel.channel}`),
          },
        })),
      ),
      violationsTotal: BigInt(ingest.noticesTotal),
      recentNotices: ingest.notices().map(({ atMs, agentId, notice }) => ({
        atMs: BigInt(Math.round(atMs)),
        agentId,
        notice: writeNotice(notice),
      })),
      admission: admissionStatus(view),
      history: view.history.map((happening) => writeUplinkEvent(happening, happening.agentId)),
      historyTotals: writeUplinkEventCounts(view.historyTotals),
    },
    agents: ingest.reports().map((agent) => ({
      agentId: agent.agentId,
      connected: agent.connected,
      lastSeenMs: agent.lastSeenMs,
      report: agent.report,
      identity: agentIdentity(agent),
      admission: agent.connected ? admissions.get(agent.agentId) : undefined,
    })),
    identityProblems: sources.identityProblems,
    journal: {
      blocks: BigInt(lanes.reduce((sum, lane) => sum + lane.blockCount, 0)),
      rawBytes: BigInt(heldRawBytes),
      roomBytes: BigInt(roomBytes),
      recordsLoadedTotal: BigInt(sources.recordsLoaded),
      blocksSetAsideTotal: BigInt(setAsideBlocks),
      diskFreeBytes: BigInt(disk?.freeBytes ?? 0),
      diskSizeBytes: BigInt(disk?.sizeBytes ?? 0),
      setAsideDroppedTotal: BigInt(setAsideDroppedTotal),
      lossesTotal: BigInt(lossTotals.losses),
      lostBlocksTotal: BigInt(lossTotals.blocks),
      latestLoss: losses.at(-1)?.message ?? '',
    },
    health,
    searches: {
      running: searches.runningCount,
      waiting: searches.waitingCount,
      answeredTotal: BigInt(searches.outcomes.answered),
      busyTotal: BigInt(searches.outcomes.busy),
      timedOutTotal: BigInt(searches.outcomes.timeout),
      cancelledTotal: BigInt(searches.outcomes.cancelled),
    },
    store: { available: store.available, error: store.error, version: store.version },
  });
}
