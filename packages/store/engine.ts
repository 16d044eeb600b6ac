/**
 * The embedded engine: one per process, on one data directory.
 *
 * Every request runs on a connection of its own, because settings, parameters and the current database belong to the
 * connection: nothing of one request is seen by another, and parameters need no queue (the library's own binding goes
 * through one queue for the whole process). Idle connections are used again after their settings were put back.
 *
 * A running query is ended by `KILL QUERY` from the control connection: the library itself cannot interrupt one.
 *
 * Invariants: a connection runs one query at a time; a connection with a query on it is never closed (the engine would
 * abort); a read runs with the engine's `readonly`, set together with its other settings and before its text is seen.
 */
import { Session, type StreamChunk } from 'chdb';
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';
import {
  CACHE_BYTES,
  DRAIN_TIMEOUT_MS,
  KILL_TIMEOUT_MS,
  MAX_CONCURRENT_INSERTS,
  MAX_CONCURRENT_QUERIES,
  MAX_CONCURRENT_SEARCHES,
  QUERY_MEMORY_SHARE,
  SPILL_MEMORY_SHARE,
} from './limits.ts';
import { quoteString } from './statement.ts';

export interface EngineOptions {
  readonly directory: string;
  readonly memoryBytes: number;
}

/** One statement with all that it needs. */
export interface EngineQuery {
  /** Tells the query apart in the engine's list of processes; unique among the running ones. */
  readonly id: string;
  readonly sql: string;
  /** Format of the answer when the statement names none. */
  readonly format: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  /** The engine itself refuses what would change anything, and any change of settings. */
  readonly readonly: boolean;
  readonly signal: AbortSignal;
}

export interface EngineResult {
  readonly bytes: Uint8Array;
  /** Rows and bytes that the engine read; of an insert, those that it wrote. */
  readonly rows: number;
  readonly rowBytes: number;
  readonly elapsedSeconds: number;
}

/** The setting that carries a query's id into `system.processes`, the only one free for such use. */
const ID_SETTING = 'log_comment';
const NAME = /^[A-Za-z_][A-Za-z0-9_.]*$/;
const MAX_IDLE_CONNECTIONS: number =
  MAX_CONCURRENT_QUERIES + MAX_CONCURRENT_SEARCHES + MAX_CONCURRENT_INSERTS;

interface Connection {
  readonly session: Session;
  /** Parameters cannot be unset, so that a connection is not used for a query that might take an old one for its own. */
  readonly parameterNames: Set<string>;
  settingNames: string[];
}

export class Engine {
  private readonly control: Session;
  private readonly directory: string;
  private readonly memoryBytes: number;
  private readonly idle: Connection[] = [];
  private readonly running = new Map<string, Promise<unknown>>();
  private closed = false;

  /** Opens the data directory. @throws EngineError when the engine cannot use it */
  constructor(options: EngineOptions) {
    this.directory = options.directory;
    this.memoryBytes = options.memoryBytes;
    const configuration = { ...CACHE_BYTES, max_server_memory_usage: options.memoryBytes };
    try {
      this.control = new Session(options.directory, {
        connectionArgs: Object.entries(configuration).map(([name, value]) => `--${name}=${value}`),
      });
    } catch (error) {
      throw EngineError.from(error);
    }
  }

  /** How many queries run now. */
  get runningCount(): number {
    return this.running.size;
  }

  /** Runs a statement to its end. @throws EngineError */
  async run(query: EngineQuery): Promise<EngineResult> {
    return await this.withConnection(query, async (session) => {
      const result = await session.queryAsync(query.sql, { format: query.format });
      return {
        bytes: result.bytes(),
        rows: result.rowsRead,
        rowBytes: result.bytesRead,
        elapsedSeconds: result.elapsed,
      };
    });
  }

  /**
   * Runs a query and hands its result over piece by piece; the next piece is computed when `onChunk` resolves.
   *
   * @returns rows and bytes of the result
   * @throws EngineError, also in the middle of the result
   */
  async stream(
    query: EngineQuery,
    onChunk: (bytes: Uint8Array) => Promise<void>,
  ): Promise<{ rows: number; bytes: number }> {
    return await this.withConnection(query, async (session) => {
      const total = { rows: 0, bytes: 0 };
      const chunks: AsyncIterable<StreamChunk> = session.queryStream(query.sql, { format: query.format });
      for await (const chunk of chunks) {
        if (query.signal.aborted) throw cancelled();
        total.rows += chunk.numRows;
        total.bytes += chunk.numBytes;
        await onChunk(chunk.raw());
      }
      return total;
    });
  }

  /** Lets running queries end, kills those that do not, closes the data directory. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (!(await this.drained(DRAIN_TIMEOUT_MS))) {
      await Promise.all([...this.running.keys()].map((id) => this.kill(id)));
      // A query that ignores its end keeps its connection: the process ends with it, which loses nothing durable.
      if (!(await this.drained(KILL_TIMEOUT_MS))) return;
    }
    for (const connection of this.idle.splice(0)) connection.session.close();
    this.control.close();
  }

  private async drained(timeoutMs: number): Promise<boolean> {
    const timeout = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => timeout.resolve(false), timeoutMs);
    const all = Promise.allSettled(this.running.values()).then(() => true);
    const result = await Promise.race([all, timeout.promise]);
    clearTimeout(timer);
    return result;
  }

  private async withConnection<T>(query: EngineQuery, work: (session: Session) => Promise<T>): Promise<T> {
    if (this.closed) throw new EngineError(EXCEPTION_CODES.aborted, 'The store is stopping. (ABORTED)');
    if (query.signal.aborted) throw cancelled();
    const onAbort = (): void => void this.kill(query.id);
    query.signal.addEventListener('abort', onAbort, { once: true });
    const done = this.runOnConnection(query, work);
    this.running.set(query.id, done);
    try {
      return await done;
    } catch (error) {
      throw EngineError.from(error);
    } finally {
      this.running.delete(query.id);
      query.signal.removeEventListener('abort', onAbort);
    }
  }

  private async runOnConnection<T>(query: EngineQuery, work: (session: Session) => Promise<T>): Promise<T> {
    const connection = this.takeConnection(query.sql);
    let reusable = true;
    try {
      await this.prepare(connection, query);
      if (query.signal.aborted) throw cancelled();
      return await work(connection.session);
    } catch (error) {
      reusable = false;
      throw error;
    } finally {
      if (reusable && (await this.reset(connection))) this.idle.push(connection);
      else connection.session.close();
    }
  }

  private takeConnection(sql: string): Connection {
    const index = this.idle.findIndex(({ parameterNames }) =>
      [...parameterNames].every((name) => !sql.includes(name)),
    );
    const [connection] = index === -1 ? [] : this.idle.splice(index, 1);
    return (
      connection ?? { session: new Session(this.directory), parameterNames: new Set(), settingNames: [] }
    );
  }

  private async prepare(connection: Connection, query: EngineQuery): Promise<void> {
    const settings = new Map([...this.defaultSettings(), ...query.settings]);
    settings.set(ID_SETTING, query.id);
    const assignments: string[] = [];
    for (const [name, value] of settings) {
      if (!NAME.test(name))
        throw new EngineError(EXCEPTION_CODES.unknownSetting, `Unknown setting '${name}'. (UNKNOWN_SETTING)`);
      assignments.push(`${name} = ${quoteString(value)}`);
    }
    for (const [name, value] of query.parameters) {
      if (!NAME.test(name))
        throw new EngineError(
          EXCEPTION_CODES.badArguments,
          `Not a parameter's name: '${name}'. (BAD_ARGUMENTS)`,
        );
      connection.parameterNames.add(name);
      assignments.push(`param_${name} = ${quoteString(value)}`);
    }
    connection.settingNames = [...settings.keys()];
    // Last: from then on nothing can be set, but put back to its default, which no statement that gets here asks for.
    if (query.readonly) {
      assignments.push('readonly = 1');
      connection.settingNames.push('readonly');
    }
    await connection.session.queryAsync(`SET ${assignments.join(', ')}`);
  }

  /** @returns whether the connection is as new again */
  private async reset(connection: Connection): Promise<boolean> {
    if (this.closed || this.idle.length >= MAX_IDLE_CONNECTIONS) return false;
    const defaults = connection.settingNames.toReversed().map((name) => `${name} = DEFAULT`);
    try {
      await connection.session.queryAsync(`SET ${defaults.join(', ')}`);
      return true;
    } catch {
      return false; // Then it is closed, which puts everything back.
    }
  }

  private defaultSettings(): [string, string][] {
    const spillBytes = String(Math.round(this.memoryBytes * SPILL_MEMORY_SHARE));
    return [
      ['max_memory_usage', String(Math.round(this.memoryBytes * QUERY_MEMORY_SHARE))],
      ['max_bytes_before_external_group_by', spillBytes],
      ['max_bytes_before_external_sort', spillBytes],
      // An acknowledged insert is a part on disk, not a promise in memory.
      ['async_insert', '0'],
    ];
  }

  private async kill(id: string): Promise<void> {
    try {
      await this.control.queryAsync(
        `KILL QUERY WHERE Settings['${ID_SETTING}'] = ${quoteString(id)} AND query NOT LIKE 'KILL%' ASYNC`,
      );
    } catch {
      // The query may have ended by itself; else its time limit ends it.
    }
  }
}

function cancelled(): EngineError {
  return new EngineError(EXCEPTION_CODES.queryWasCancelled, 'Query was cancelled. (QUERY_WAS_CANCELLED)');
}
