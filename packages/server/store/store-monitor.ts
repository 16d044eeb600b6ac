/**
 * Brings the store's tables up to date when the store is there, and knows whether it is there now. A server starts and
 * takes logs without its store: the journal holds them until it comes.
 */
import { type ErrorCode, SluiceError } from '@sluice/protocol/error';
import type { Logger } from 'pino';
import { migrate } from './migrate.ts';
import type { StoreClient } from './store-client.ts';

/** Between two looks at the store; a person who started it waits no longer than this. */
export const LOOK_INTERVAL_MS = 2_000;
/** While the tables are not ready, logs wait: look more often. */
export const FIRST_LOOKS_INTERVAL_MS = 250;

export interface StoreState {
  readonly available: boolean;
  /** Why it is not available. */
  readonly error: string;
  /** Its code; undefined while it is available, or was not asked yet. */
  readonly errorCode?: ErrorCode;
  /** The engine's version. */
  readonly version: string;
}

export interface StoreMonitor {
  readonly state: StoreState;
  /** Resolves when the tables are up to date for the first time; rejects when they never can be. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** Starts to look after the store. */
export function startStoreMonitor(client: StoreClient, logger: Logger): StoreMonitor {
  const ready = Promise.withResolvers<void>();
  // The server looks at `state`; the promise may have no reader yet when it fails.
  ready.promise.catch(() => undefined);
  let state: StoreState = { available: false, error: 'not asked yet', version: '' };
  let migrated = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    try {
      if (!migrated) {
        const { from, to } = await migrate(client);
        migrated = true;
        if (from !== to) logger.info({ from, to }, 'the tables of the store are up to date');
        ready.resolve();
      }
      const [row] = await client.query('SELECT version() AS version', {}, { timeoutMs: LOOK_INTERVAL_MS });
      state = { available: true, error: '', version: String(row?.version ?? '') };
    } catch (error) {
      const problem = SluiceError.from(error, 'store_failed');
      if (state.error !== problem.message && !stopped) {
        logger.warn({ code: problem.code }, `the store is not available: ${problem.message}`);
      }
      state = { ...state, available: false, error: problem.message, errorCode: problem.code };
      if (problem.code === 'state_newer') {
        ready.reject(problem);
        return;
      }
    }
    if (!stopped) schedule();
  }
  let looking: Promise<void> = look();
  function schedule(): void {
    timer = setTimeout(
      () => {
        looking = look();
      },
      migrated ? LOOK_INTERVAL_MS : FIRST_LOOKS_INTERVAL_MS,
    );
  }
  return {
    get state() {
      return state;
    },
    ready: ready.promise,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
      clearTimeout(timer);
    },
  };
}
