/**
 * Brings the store from "second copies are hidden" to "there are none" (U14): every server looks through the table of moved
 * blocks now and then, finishes what a dead server left, deletes second copies, and forgets blocks when nothing can come
 * any more.
 *
 * Invariants: all decisions are made in moved-decisions.ts; each step may be done by any number of servers at once, and
 * again; while the table is empty a look costs one small query, and the log table is not touched.
 */
import { SluiceError } from '@sluice/base/error';
import { blockKey } from '@sluice/protocol/model';
import type { MovedCopy } from '../store/moved-copies.ts';
import type { LoaderLogger } from './loader.ts';
import { DECISION_TIMES, type DecisionTimes, decide } from './moved-decisions.ts';
import type { OtherServers } from './moved-gate.ts';

/** Between two looks at the table. */
const LOOK_INTERVAL_MS = 5_000;
/**
 * A block that has been kept for this long is looked for in the log table only at each RARE_LOOKSth time: its second copy, if
 * there is one, came long ago or comes late.
 */
const YOUNG_MS = 300_000;
const RARE_LOOKS = 60;
/** Settled rows of this age are removed. A server that reads its own rows and then writes does so in much less. */
const PURGE_AFTER_MS = 3_600_000;

export interface ReconcilerOptions {
  readonly others: OtherServers;
  readonly logger: LoaderLogger;
  /** Default {@link LOOK_INTERVAL_MS}. */
  readonly intervalMs?: number;
  /** Default {@link DECISION_TIMES}. */
  readonly times?: DecisionTimes;
}

export interface Reconciler {
  /** Ends looking; resolves when the look that is under way has ended. */
  stop(): Promise<void>;
}

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { others, logger, intervalMs = LOOK_INTERVAL_MS, times = DECISION_TIMES } = options;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let looks = 0;
  let problem: string | undefined;
  let running: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    try {
      const isRare = looks % RARE_LOOKS === 0;
      looks += 1;
      await reconcile(others, times, (row) => isRare || row.state === 'held' || row.ageMs < YOUNG_MS);
      if (isRare) await others.moved.purge(PURGE_AFTER_MS);
      problem = undefined;
    } catch (error) {
      const { code, message } = SluiceError.from(error, 'store_failed');
      if (problem !== message) logger.warn({ code, error: message }, 'second copies cannot be removed now');
      problem = message;
    }
    if (!stopped) timer = setTimeout(next, intervalMs);
  };
  const next = (): void => {
    running = look();
  };
  next();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
      clearTimeout(timer);
    },
  };
}

/** One look. Rejects with the store's errors; what was done until then is done. */
export async function reconcile(
  { moved, findStored }: OtherServers,
  times: DecisionTimes,
  isDue: (row: MovedCopy) => boolean,
): Promise<void> {
  const due = (await moved.read()).filter(isDue);
  if (due.length === 0) return;
  const blocks = new Map(due.map((row) => [blockKey(row.id), row]));
  // First what is in the store, then the rows: see moved-decisions.ts.
  const copies = await findStored([...blocks.values()]);
  const { keep, remove, settle } = decide(copies, await moved.read(), times);
  await moved.write(keep, 'kept');
  await moved.deleteCopies(remove);
  await moved.write(settle, 'settled');
}
