/** Asks the parts of the server for the facts by which its health is judged. */
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { Ingest } from '../ingest/ingest.ts';
import type { Journal } from '../journal/journal.ts';
import { LANES, type Lane } from '../journal/journal-records.ts';
import type { LoaderProblem } from '../loader/retrying.ts';
import type { StoreState } from '../store/store-monitor.ts';
import type { LaneFacts, UnsearchableFacts } from './health-facts.ts';
import type { HealthWatchOptions } from './health-watch.ts';

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
}

/** @returns the facts of this moment */
export function healthFacts(sources: FactSources): ReturnType<HealthWatchOptions['facts']> {
  const { serverId, journal, ingest, store } = sources;
  const { heldRawBytes, roomBytes, setAsideBlocks, setAsideDroppedTotal, lossTotals, losses } =
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
      ...(store.tablesLost === undefined ? {} : { tablesLost: store.tablesLost }),
    },
    journal: {
      directory: sources.journalDirectory,
      diskFull: journal.isDiskFull,
      ...{ heldRawBytes, roomBytes, setAsideBlocks, setAsideDroppedTotal, lossTotals },
      latestLoss: losses.at(-1)?.message ?? '',
    },
    waiting,
    lanes: LANES.map((lane) => laneFacts(lane, waiting, sources.loading)),
    agents: ingest.reports(),
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
    problem: error === undefined ? undefined : { code: error.code, message: error.message },
  };
}
