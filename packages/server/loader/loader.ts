/**
 * Moves journaled blocks into the store, each exactly once: one LaneLoader per lane, independent of one another, so that
 * a slow insert of bulk holds up nothing urgent. At most one insert per lane, so at most one per urgency class, is
 * under way.
 *
 * Invariant: an attempt that failed is made again for ever; nothing is lost because the store is down. What stands still,
 * and why, is in `problems`.
 */
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { blockKey, URGENCY_CLASSES, type UrgencyClass } from '@sluice/protocol/model';
import type { Journal } from '../journal/journal.ts';
import { type JournalBatch, type JournaledBlock, LANES, type Lane } from '../journal/journal-records.ts';
import type { ServerMetrics } from '../metrics.ts';
import { BATCH_COLUMNS, batchBody } from './batch-body.ts';
import type { BatchInserterOptions } from './batch-inserter.ts';
import type { BatchStore } from './batch-store.ts';
import {
  describeBatch,
  FIRST_RETRY_MS,
  INSERT_TIMEOUT_MS,
  LaneLoader,
  RECHECK_AFTER_MS,
} from './lane-loader.ts';
import { LANE_POLICIES, type LanePolicy } from './lane-policy.ts';
import type { OtherServers } from './moved-gate.ts';
import type { LoaderProblem } from './retrying.ts';

/** How long `stop` waits for an insert that is running; the rest is in the journal. */
const STOP_GRACE_MS = 5000;

/** The part of a logger that is used; pino has it. */
export interface LoaderLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface LoaderOptions {
  readonly journal: Journal;
  readonly storeClient: BatchStore;
  /** What other servers brought into the same store; left out, none is thought of. */
  readonly others?: OtherServers;
  readonly serverId: string;
  readonly logger: LoaderLogger;
  readonly metrics?: ServerMetrics;
  /** Default {@link LANE_POLICIES}. */
  readonly policies?: Readonly<Record<Lane, LanePolicy>>;
  /** Default {@link INSERT_TIMEOUT_MS}. */
  readonly insertTimeoutMs?: number;
  /** Default {@link FIRST_RETRY_MS}. */
  readonly firstRetryMs?: number;
  /** Default {@link RECHECK_AFTER_MS}. */
  readonly recheckAfterMs?: number;
  /** Default {@link STOP_GRACE_MS}. */
  readonly stopGraceMs?: number;
  /** Default: payloads and server columns, for the table of the real store. */
  readonly bodyOf?: BatchInserterOptions['bodyOf'];
}

/** What was just confirmed by the store. */
export interface LoadedBatch {
  readonly lane: Lane;
  readonly blocks: readonly JournaledBlock[];
}

export interface Loader {
  /** Lanes that stand still, with the reason; empty when all is well. */
  problems(): readonly LoaderProblem[];
  /** Calls `listener` after each confirmed batch; returns what ends that. */
  onLoaded(listener: (loaded: LoadedBatch) => void): () => void;
  /** Starts nothing new, gives what is running some time (`stopGraceMs`); what is left stays in the journal. */
  stop(): Promise<void>;
}

/** Starts loading at once, first what an earlier life left. The journal must stay open until `stop` has resolved. */
export function startLoader(options: LoaderOptions): Loader {
  const { journal, logger, metrics } = options;
  const listeners = new Set<(loaded: LoadedBatch) => void>();
  const events = {
    loaded(batch: JournalBatch, insertMs: number): void {
      metrics?.batchLoaded(urgencyOf(batch.lane), batch.blocks, insertMs);
      for (const listener of listeners) listener({ lane: batch.lane, blocks: batch.blocks });
    },
    attemptFailed(problem: LoaderProblem): void {
      metrics?.loadAttemptFailed(urgencyOf(problem.lane));
      // The first of a row is news, the others only repeat it.
      if (problem.attempts > 1) return;
      const { error, lane } = problem;
      logger.warn({ lane, code: error.code, error: error.message }, 'loading stands still, trying again');
    },
    setAside(block: JournaledBlock, reason: string): void {
      metrics?.blockSetAside(urgencyOf(block.lane));
      logger.error(
        { block: blockKey(block.header.id), reason },
        'the store refused a block, it is set aside',
      );
    },
  };
  const confirmed = { inserts: 0 };
  const lanes = LANES.map(
    (lane) =>
      new LaneLoader({
        journal,
        store: options.storeClient,
        ...defined({ others: options.others }),
        serverId: options.serverId,
        lane,
        policy: (options.policies ?? LANE_POLICIES)[lane],
        columns: BATCH_COLUMNS,
        bodyOf:
          options.bodyOf ??
          ((batch, signal) => batchBody(batch, (block) => journal.readPayload(block), signal)),
        events,
        confirmed,
        insertTimeoutMs: options.insertTimeoutMs ?? INSERT_TIMEOUT_MS,
        firstRetryMs: options.firstRetryMs ?? FIRST_RETRY_MS,
        recheckAfterMs: options.recheckAfterMs ?? RECHECK_AFTER_MS,
      }),
  );
  const unlisten = journal.listen({ onAppended: (block) => lanes[block.lane]?.blockAppended(block) });
  for (const lane of LANES) {
    for (const batch of journal.openBatches(lane)) {
      logger.info({ batch: describeBatch(batch) }, 'resuming a batch of an earlier life');
    }
  }
  for (const lane of lanes) lane.start();
  return {
    problems: () => lanes.flatMap((lane) => lane.problem ?? []),
    onLoaded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      await Promise.all(lanes.map((lane) => lane.stop(options.stopGraceMs ?? STOP_GRACE_MS)));
      unlisten();
    },
  };
}

function urgencyOf(lane: Lane): UrgencyClass {
  const urgency = URGENCY_CLASSES[lane];
  if (urgency === undefined) throw new SluiceError('internal', `lane ${lane} has no urgency class`);
  return urgency;
}
