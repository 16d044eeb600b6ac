/**
 * Shares with the other servers of the store what is pinned to agents and which runs are connected where, and learns the
 * same from them. The store may be away: then nothing is shared, and the intake goes on.
 *
 * Invariants: one look at a time; a store that fails is asked again at the next one; a run that was seen together with
 * another one is asked whether it lives before it is written, so that a dead connection is nobody's twin.
 */
import { SluiceError } from '@sluice/base/error';
import type { AgentId } from '@sluice/protocol/model';
import type { Logger } from 'pino';
import { type AgentTables, MAX_PINS_READ, type NewRun } from '../store/agent-tables.ts';
import type { IdentityBook } from './identity-book.ts';
import { RUN_REFRESH_MS, SYNC_INTERVAL_MS } from './limits.ts';
import { findTwins, type SeenRun } from './twins.ts';

/** Looks back this far behind the latest line: lines that were written at once may be seen one after the other. */
const REREAD_MS = 60_000;
/** Lines of pins that one look writes; the rest goes with the next. */
const MAX_PINS_WRITTEN = 3_000;
/** For so long after a rollback the records that it may repeat are counted again at each look. */
const RECOUNT_MS = 60_000;
/** Rows of runs are thrown away this often, by each server. */
const PURGE_INTERVAL_MS = 3_600_000;

/** A connected agent, as the ingest has it. */
export interface LiveRun {
  /** Names the connection. */
  readonly sessionId: string;
  readonly run: Omit<NewRun, 'connectedMs' | 'silentMs'>;
  readonly connectedMs: number;
  readonly silentMs: number;
  /** Resolves with whether the agent answered within a short time; never rejects. */
  isAlive(): Promise<boolean>;
}

export interface IdentitySyncOptions {
  readonly serverId: string;
  readonly book: IdentityBook;
  readonly tables: AgentTables;
  /** Resolves when the tables are there; never, when they never are. */
  readonly ready: Promise<void>;
  readonly runs: () => readonly LiveRun[];
  /** Pins changed, or twins came or went. */
  readonly onChanged: (twins: ReadonlyMap<AgentId, readonly SeenRun[]>) => void;
  readonly logger: Logger;
  readonly intervalMs?: number;
}

export interface IdentitySync {
  /** Looks now; resolves with whether the store took and told everything. */
  look(): Promise<boolean>;
  stop(): Promise<void>;
}

export function startIdentitySync(options: IdentitySyncOptions): IdentitySync {
  const sync = new Sync(options);
  options.ready.then(
    () => sync.start(),
    // The store's monitor has said why.
    () => undefined,
  );
  return { look: () => sync.look(), stop: () => sync.stop() };
}

class Sync {
  readonly #options: IdentitySyncOptions;
  #ready = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<boolean> | undefined;
  #readToMs = 0;
  #purgedMs = Number.NEGATIVE_INFINITY;
  #failure: string | undefined;
  /** When each connection was written last, by its id. */
  #writtenMs = new Map<string, number>();
  #twins: ReadonlyMap<AgentId, readonly SeenRun[]> = new Map();

  constructor(options: IdentitySyncOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ready = true;
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** One that is under way may have missed what the caller wants to be told: it is waited for, and another one made. */
  async look(): Promise<boolean> {
    await this.#looking;
    if (!this.#ready || this.#stopped) return false;
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return await this.#looking;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.look().finally(() => this.#schedule(this.#options.intervalMs ?? SYNC_INTERVAL_MS));
    }, delayMs);
  }

  async #lookOnce(): Promise<boolean> {
    try {
      const changed = await this.#sharePins();
      await this.#shareRuns(changed);
      await this.#countRepeats();
      await this.#purge();
      if (this.#failure !== undefined)
        this.#options.logger.info('agents are shared with other servers again');
      this.#failure = undefined;
      return true;
    } catch (error) {
      const { message } = SluiceError.from(error);
      if (this.#failure !== message) {
        this.#options.logger.warn(
          { error: message },
          'who agents are cannot be shared with other servers now',
        );
      }
      this.#failure = message;
      return false;
    }
  }

  /** Reads before it writes: what another server has pinned first is not pinned a second time. */
  async #sharePins(): Promise<boolean> {
    const { book, tables, logger } = this.#options;
    const changed = await this.#mergePins();
    for (const agentId of changed)
      logger.warn({ agentId }, 'another server of this store knows the agent by another key');
    const waiting = book.unshared(MAX_PINS_WRITTEN);
    if (waiting.length > 0) {
      const hasRoom = await tables.hasRoomForPins();
      const rows = waiting.map(({ row }) => row).filter(({ kind }) => hasRoom || kind === 'accepted');
      await tables.writePins(rows);
      book.shared(waiting.map(({ key }) => key));
      await this.#mergePins();
    }
    return changed.length > 0;
  }

  /**
   * Takes over what was written since the look before, all of it: a look that ended in the middle of a minute in which more was
   * written than one answer has would begin there again, for ever.
   */
  async #mergePins(): Promise<AgentId[]> {
    const { book, tables } = this.#options;
    const changed: AgentId[] = [];
    let afterMs = this.#readToMs - REREAD_MS;
    for (;;) {
      const pins = await tables.readPins(afterMs);
      changed.push(...book.merge(pins, Date.now()));
      const latestMs = pins.at(-1)?.storedMs ?? 0;
      this.#readToMs = Math.max(this.#readToMs, latestMs);
      // The lines of one moment may stand on both sides of the end of an answer.
      if (pins.length < MAX_PINS_READ || latestMs - 1 <= afterMs) return changed;
      afterMs = latestMs - 1;
    }
  }

  async #shareRuns(pinsChanged: boolean): Promise<void> {
    const { tables, onChanged } = this.#options;
    await this.#writeRuns((run) => this.#isDue(run.sessionId));
    let several = await tables.readSeveralRuns();
    if (several.length > 0) {
      // What is old in the table may have ended: of its own runs each server says anew whether they live.
      const suspects = new Set(several.map(({ agentId }) => agentId));
      const wrote = await this.#writeRuns(({ run }) => suspects.has(run.agentId));
      if (wrote) several = await tables.readSeveralRuns();
    }
    const twins = findTwins(several);
    const isNew = twins.size > 0 || this.#twins.size > 0;
    this.#twins = twins;
    if (isNew || pinsChanged) onChanged(twins);
  }

  /** @returns whether anything was written */
  async #writeRuns(wanted: (run: LiveRun) => boolean): Promise<boolean> {
    const { serverId, tables, runs } = this.#options;
    const all = runs();
    const live = new Set(all.map(({ sessionId }) => sessionId));
    for (const sessionId of this.#writtenMs.keys())
      if (!live.has(sessionId)) this.#writtenMs.delete(sessionId);
    const chosen = all.filter(wanted);
    const rows = await Promise.all(
      chosen.map(async (connected): Promise<NewRun> => {
        const { run, connectedMs } = connected;
        const startedMs = performance.now();
        const isOld = this.#writtenMs.has(connected.sessionId);
        // A connection that is new is alive; of an old one it is asked.
        const lives = !isOld || (await connected.isAlive());
        const tookMs = performance.now() - startedMs;
        return {
          ...run,
          connectedMs: connectedMs + tookMs,
          silentMs: lives ? 0 : connected.silentMs + tookMs,
        };
      }),
    );
    if (rows.length === 0) return false;
    await tables.writeRuns(serverId, rows);
    for (const { sessionId } of chosen) this.#writtenMs.set(sessionId, performance.now());
    return true;
  }

  #isDue(sessionId: string): boolean {
    const writtenMs = this.#writtenMs.get(sessionId);
    return writtenMs === undefined || performance.now() - writtenMs >= RUN_REFRESH_MS;
  }

  /** One agent a look: a count reads two columns of the whole table. */
  async #countRepeats(): Promise<void> {
    const { book, tables } = this.#options;
    for (const { agentId, rollback } of book.records()) {
      if (rollback === undefined) continue;
      // What the earlier run sent may still be on its way into the store.
      if (rollback.records !== undefined && Date.now() - rollback.lastMs > RECOUNT_MS) continue;
      book.counted(
        agentId,
        rollback.epoch,
        await tables.countRecords(agentId, rollback.toSequence, rollback.epoch),
      );
      return;
    }
  }

  async #purge(): Promise<void> {
    if (performance.now() - this.#purgedMs < PURGE_INTERVAL_MS) return;
    await this.#options.tables.purgeRuns();
    this.#purgedMs = performance.now();
  }
}
