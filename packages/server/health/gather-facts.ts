/** Asks the parts of the server for the facts by which its health is judged. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { defined } from '@sluice/base/defined';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { IdentityProblemSchema } from '@sluice/wire/gen/query_pb';
import { IdentityProblemKind } from '@sluice/wire/gen/uplink_pb';
import { isTrusted } from '../identity/agent-identity.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { KnownAgent } from '../ingest/report-book.ts';
import type { Journal } from '../journal/journal.ts';
import { LANES, type Lane } from '../journal/journal-records.ts';
import type { LoaderProblem } from '../loader/retrying.ts';
import type { SearchStatistics } from '../search/search-turns.ts';
import { exceptionCodeOf } from '../store/store-error.ts';
import type { StoreState } from '../store/store-monitor.ts';
import type {
  IdentityBookFacts,
  IdentityFacts,
  LaneFacts,
  SearchFacts,
  UnsearchableFacts,
} from './health-facts.ts';
import type { HealthWatchOptions } from './health-watch.ts';
import type { RecentIncrease } from './recent-increase.ts';

/** The engine's number for a disk without space (ClickHouse, src/Common/ErrorCodes.cpp). */
const NOT_ENOUGH_SPACE = 243;
/** How long searches that were sent away are told of. */
export const REFUSED_WINDOW_MS = 60_000;

export interface FactSources {
  readonly serverId: string;
  readonly journalDirectory: string;
  readonly journal: Journal;
  readonly loading: {
    /** When the store last confirmed something of the lane, or the server started. */
    progressMs(lane: Lane): number;
    problems(): readonly LoaderProblem[];
  };
  readonly ingest: Ingest;
  readonly store: StoreState;
  readonly identities: () => readonly MessageInitShape<typeof IdentityProblemSchema>[];
  readonly identityBook: IdentityBookFacts;
  readonly searches: SearchFacts;
}

/** How long a conflict is told after its latest block: long enough to be seen by who comes in the morning. */
const CONFLICT_MEMORY_MS: number = 24 * 60 * 60 * 1000;

/** @returns the facts of this moment */
export function healthFacts(sources: FactSources): ReturnType<HealthWatchOptions['facts']> {
  const { serverId, journal, ingest, store } = sources;
  const { heldRawBytes, roomBytes, setAsideBlocks, setAsideDroppedTotal, lossTotals, losses, conflicts } =
    journal.statistics;
  const waiting = journal
    .heldByAgent()
    .map(({ lane, ...held }) => ({ ...held, urgency: URGENCY_CLASSES[lane] }));
  return {
    serverId,
    store: {
      available: store.available,
      error: store.error,
      errorCode: store.errorCode,
      ...defined({ tablesLost: store.tablesLost }),
    },
    journal: {
      directory: sources.journalDirectory,
      diskFull: journal.isDiskFull,
      ...(journal.damage === undefined
        ? {}
        : { damage: { reason: journal.damage.error.message, sinceMs: journal.damage.sinceMs } }),
      ...{ heldRawBytes, roomBytes, setAsideBlocks, setAsideDroppedTotal, lossTotals },
      latestLoss: losses.at(-1)?.message ?? '',
      conflicts: conflicts.filter(({ latestMs }) => Date.now() - latestMs < CONFLICT_MEMORY_MS),
    },
    waiting,
    lanes: LANES.map((lane) => laneFacts(lane, waiting, sources.loading)),
    agents: trustedAgents(ingest.reports()),
    identities: sources.identities().map(identityFacts),
    identityBook: sources.identityBook,
    searches: sources.searches,
  };
}

/**
 * Leaves out who came under an agent's name with another key, or with none: what a stranger says of itself must not be told
 * as the agent's, nor set the clock by which the agent's lag is worked out. That it came is told by itself.
 */
export function trustedAgents(agents: readonly KnownAgent[]): KnownAgent[] {
  return agents.filter(({ identity }) => isTrusted(identity.standing));
}

/** @param refused follows how many were sent away */
export function searchFacts(
  { runningCount, waitingCount, outcomes }: SearchStatistics,
  refused: RecentIncrease,
  nowMs: number,
): SearchFacts {
  return {
    running: runningCount,
    waiting: waitingCount,
    refusedLately: refused.read(outcomes.busy, nowMs),
  };
}

function identityFacts(problem: MessageInitShape<typeof IdentityProblemSchema>): IdentityFacts {
  const { agentId = '', kind = IdentityProblemKind.UNSPECIFIED, sinceMs = 0n, count = 0n } = problem;
  return {
    ...{ agentId, kind },
    sinceMs: Number(sinceMs),
    count: Number(count),
  };
}

function laneFacts(
  lane: Lane,
  waiting: readonly UnsearchableFacts[],
  loading: FactSources['loading'],
): LaneFacts {
  const urgency = URGENCY_CLASSES[lane];
  const oldestMs = waiting.reduce(
    (oldest, entry) => (entry.urgency === urgency ? Math.min(oldest, entry.oldestReceivedMs) : oldest),
    Number.POSITIVE_INFINITY,
  );
  const error = loading.problems().find((problem) => problem.lane === lane)?.error;
  return {
    urgency,
    // Nothing waited before the oldest block came: that is no standstill.
    progressMs: Math.max(loading.progressMs(lane), Number.isFinite(oldestMs) ? oldestMs : 0),
    problem:
      error === undefined
        ? undefined
        : { message: error.message, storeDiskFull: exceptionCodeOf(error) === NOT_ENOUGH_SPACE },
  };
}
