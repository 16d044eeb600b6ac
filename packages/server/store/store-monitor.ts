/**
 * Brings the store's tables up to date when the store is there, and knows whether it is there now. A server starts and
 * takes logs without its store: the journal holds them until it comes.
 */
import { defined } from '@sluice/base/defined';
import { type ErrorCode, SluiceError } from '@sluice/base/error';
import type { Logger } from 'pino';
import { migrate, TABLES_PROBE } from './migrate.ts';
import type { StoreClient } from './store-client.ts';
import { exceptionCodeOf } from './store-error.ts';

/** Between two looks at the store; a person who started it waits no longer than this. */
const LOOK_INTERVAL_MS = 2_000;
/** The engine's code for a table that is not there. */
const UNKNOWN_TABLE = 60;
/** While the tables are not ready, logs wait: look more often. */
const FIRST_LOOKS_INTERVAL_MS = 250;

export interface StoreState {
  readonly available: boolean;
  /** Why it is not available. */
  readonly error: string;
  /** Its code; undefined while it is available, or was not asked yet. */
  readonly errorCode?: ErrorCode;
  /** The engine's version. */
  readonly version: string;
  /** What is known of tables that somebody removed while this server ran; absent when nothing is. */
  readonly tablesLost?: string;
}

export interface StoreMonitor {
  readonly state: StoreState;
  /** Resolves when the tables are up to date for the first time; rejects when they never can be. */
  readonly ready: Promise<void>;
  /** Resolves after the first look, whatever it found. */
  readonly looked: Promise<void>;
  stop(): Promise<void>;
}

/** Starts to look after the store. */
export function startStoreMonitor(client: StoreClient, logger: Logger): StoreMonitor {
  const ready = Promise.withResolvers<void>();
  // The server looks at `state`; the promise may have no reader yet when it fails.
  ready.promise.catch(() => undefined);
  let state: StoreState = { available: false, error: 'not asked yet', version: '' };
  let migrated = false;
  let tablesLost: string | undefined;
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
      const [row] = await client.query(TABLES_PROBE, {}, { timeoutMs: LOOK_INTERVAL_MS });
      state = {
        available: true,
        error: '',
        version: String(row?.version ?? ''),
        ...defined({ tablesLost }),
      };
    } catch (error) {
      const problem = SluiceError.from(error, 'store_failed');
      if (exceptionCodeOf(problem) === UNKNOWN_TABLE) await repair(problem);
      if (state.error !== problem.message && !stopped) {
        logger.warn({ code: problem.code }, `the store is not available: ${problem.message}`);
      }
      state = {
        ...state,
        available: false,
        error: problem.message,
        errorCode: problem.code,
        ...defined({ tablesLost }),
      };
      if (problem.code === 'state_newer') {
        ready.reject(problem);
        return;
      }
    }
    if (!stopped) schedule();
  }
  /** Somebody removed a table. What was in it is lost; what comes from now on needs it back. */
  async function repair(problem: SluiceError): Promise<void> {
    const at = new Date().toISOString();
    tablesLost = `${problem.message}, found at ${at}`;
    state = { ...state, tablesLost };
    logger.error({ code: problem.code }, `a table was removed from the store: ${problem.message}`);
    if (await makeTablesAgain(client, logger))
      tablesLost = `${problem.message}, found at ${at}; it was made again, empty`;
  }
  let looking: Promise<void> = look();
  const looked = looking;
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
    looked,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
      clearTimeout(timer);
    },
  };
}

/** @returns whether the tables are all there now */
async function makeTablesAgain(client: StoreClient, logger: Logger): Promise<boolean> {
  try {
    await migrate(client, { repair: true });
    logger.warn('the tables of the store were made again; what was in a removed one is lost');
    return true;
  } catch (error) {
    const reason = SluiceError.from(error, 'store_failed').message;
    logger.error(`the tables of the store cannot be made again yet: ${reason}`);
    return false;
  }
}
