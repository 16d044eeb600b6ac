/** The way from the journal into the store, which begins when the store's tables are there. */
import type { TimeMs } from '@sluice/protocol/model';
import type { Journal } from './journal/journal.ts';
import type { Lane } from './journal/journal-records.ts';
import { startLoader } from './loader/loader.ts';
import { startReconciler } from './loader/moved-reconciler.ts';
import type { LoaderProblem } from './loader/retrying.ts';
import { findStoredBlocks } from './loader/stored-blocks.ts';
import type { ServerMetrics } from './metrics.ts';
import type { ServerOptions } from './server-options.ts';
import { createMovedCopies } from './store/moved-copies.ts';
import type { StoreClient } from './store/store-client.ts';
import type { StoreMonitor } from './store/store-monitor.ts';

export interface Loading {
  readonly recordsLoaded: number;
  /** When the store last confirmed something of the lane; before that, when this server started. */
  progressMs(lane: Lane): TimeMs;
  /** Lanes whose latest attempt failed. */
  problems(): readonly LoaderProblem[];
  stop(): Promise<void>;
}

/** Loading begins when the tables are there; until then blocks wait in the journal. */
export function startLoadingWhenReady(
  monitor: StoreMonitor,
  parts: {
    journal: Journal;
    client: StoreClient;
    options: ServerOptions;
    metrics: ServerMetrics;
    now: () => TimeMs;
  },
): Loading {
  const { journal, client, options, metrics, now } = parts;
  const progressMs = new Map<Lane, TimeMs>();
  const startedMs = now();
  let recordsLoaded = 0;
  let loader: ReturnType<typeof startLoader> | undefined;
  let reconciler: ReturnType<typeof startReconciler> | undefined;
  let stopped = false;
  monitor.ready.then(
    () => {
      if (stopped) return;
      const others = { findStored: findStoredBlocks(client), moved: createMovedCopies(client) };
      reconciler = startReconciler({ others, logger: options.logger });
      loader = startLoader({
        journal,
        storeClient: client,
        others,
        serverId: options.serverId,
        logger: options.logger,
        metrics,
      });
      loader.onLoaded(({ lane, blocks }) => {
        progressMs.set(lane, now());
        for (const { header } of blocks) recordsLoaded += header.recordCount;
      });
    },
    (error: unknown) => options.logger.error({ err: error }, 'the store cannot be used'),
  );
  return {
    get recordsLoaded() {
      return recordsLoaded;
    },
    progressMs: (lane) => progressMs.get(lane) ?? startedMs,
    problems: () => loader?.problems() ?? [],
    stop: async () => {
      stopped = true;
      await loader?.stop();
      await reconciler?.stop();
    },
  };
}
