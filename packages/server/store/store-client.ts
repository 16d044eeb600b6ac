/**
 * The way to the store: the embedded one or a ClickHouse of one's own, over the same HTTP interface.
 *
 * Invariants: an insert is acknowledged when it is durable; inserts with the same token are applied once; every failure
 * is a SluiceError that says whose fault it is (store-error.ts).
 */

import { Readable } from 'node:stream';
import {
  type ClickHouseClient,
  type ClickHouseSettings,
  createClient,
  type DataFormat,
} from '@clickhouse/client';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { ASKER_HEADER, writeAsker } from '@sluice/store/asker';
import { endpointText, readEndpoint, readSecret, StoreAgent } from '@sluice/store/endpoint';
import { ACCESS_HEADER } from '@sluice/store/store-request';
import { type SearchClaim, TURN_HEADER, writeTurnClaim } from '@sluice/store/turn-claim';
import { insertSql } from './log-table.ts';
import { type StoreOperation, storeError } from './store-error.ts';

/** Queries that give no time of their own. */
const DEFAULT_QUERY_TIMEOUT_MS = 60_000;
/** How much longer the client waits than the engine may compute: it answers with the better error. */
const ANSWER_GRACE_MS = 5_000;
/** Inserts wait for their turn and for the disk. */
const INSERT_TIMEOUT_MS = 300_000;
/** Connections kept open to the store. */
const MAX_CONNECTIONS = 16;
/** A statement without it may only read, at the embedded store. */
const WRITE_HEADERS: Readonly<Record<string, string>> = { [ACCESS_HEADER]: 'write' };
/** Larger than any batch, so that one batch becomes one part a partition, and its token is used the same each time. */
const WHOLE_BATCH_ROWS = '16000000';
const WHOLE_BATCH_BYTES = '2000000000';

/** A store by its URL, or one on this computer by its data directory, where it keeps its address and its secret. */
export type StorePlace =
  | { readonly kind: 'url'; readonly url: string; readonly tlsCa?: string }
  | { readonly kind: 'directory'; readonly directory: string };

export interface StoreClientOptions {
  readonly place: StorePlace;
  readonly user?: string;
  /** Default: of a directory its secret, else none. */
  readonly password?: string;
  readonly database?: string;
}

export interface InsertBlocksRequest {
  /** Names of all columns, in the order in which the body has them. */
  readonly columns: readonly string[];
  /** zstd frames around blocks of the Native format, one after the other. */
  readonly zstdBody: Buffer | Readable;
  readonly deduplicationToken: string;
  /** Among other inserts; 1 is the highest. Default: the lowest. */
  readonly priority?: number;
  /** Gives the attempt up; whether it was applied is then unknown. */
  readonly signal?: AbortSignal;
}

export interface QueryOptions {
  /** What the engine may take; the caller hears of it at most ANSWER_GRACE_MS later. */
  readonly timeoutMs?: number;
  /** Ends the query in the engine too. */
  readonly signal?: AbortSignal;
  readonly settings?: ClickHouseSettings;
  /** The query is one of a search: of whose, of which weight, and how long it may wait in the embedded store. */
  readonly search?: {
    readonly asker: string;
    readonly weight: SearchClaim['weight'];
    readonly waitMs: number;
  };
}

/** @returns all settings that a query is run with: those that are always set, and the options' own */
export function querySettings(options: QueryOptions | undefined): ClickHouseSettings {
  return {
    max_execution_time: (options?.timeoutMs ?? DEFAULT_QUERY_TIMEOUT_MS) / 1000,
    // A store of another version may have another default.
    output_format_json_quote_64bit_integers: 1,
    ...options?.settings,
  };
}

/** Values for `{name:Type}` in a query. */
export type QueryParameters = Readonly<Record<string, unknown>>;
/** A row by column names; 64-bit integers come as text. */
export type StoreRow = Readonly<Record<string, unknown>>;

export interface StoreClient {
  /** For people: where the store is, or would be. */
  readonly address: string;
  /**
   * Inserts blocks into the log table; resolves when they are durable.
   *
   * @throws SluiceError `block_malformed` when the data is refused for what it is; others may be tried again
   */
  insertBlocks(request: InsertBlocksRequest): Promise<void>;
  /** @returns all rows. @throws SluiceError */
  query(sql: string, parameters?: QueryParameters, options?: QueryOptions): Promise<StoreRow[]>;
  /** Rows as they come, some at a time; leaving the loop ends the query. @throws SluiceError */
  queryStream(
    sql: string,
    parameters?: QueryParameters,
    options?: QueryOptions,
  ): AsyncGenerator<StoreRow[], void, undefined>;
  /** The answer as text in any format. @throws SluiceError */
  queryText(
    sql: string,
    parameters: QueryParameters,
    options: QueryOptions & { readonly format: DataFormat },
  ): Promise<string>;
  /** Runs a statement that answers nothing. @throws SluiceError */
  command(sql: string, parameters?: QueryParameters, options?: QueryOptions): Promise<void>;
  /** @throws SluiceError `not_reachable` when the store does not answer */
  ping(): Promise<void>;
  /** Closes the connections. */
  close(): Promise<void>;
}

export function createStoreClient(options: StoreClientOptions): StoreClient {
  return new HttpStoreClient(options);
}

class HttpStoreClient implements StoreClient {
  private readonly options: StoreClientOptions;
  private readonly agent: StoreAgent | undefined;
  /** Made when it is first asked: the store of a directory may not have started yet, and then has no secret. */
  private connected: ClickHouseClient | undefined;

  constructor(options: StoreClientOptions) {
    this.options = options;
    const { place } = options;
    if (place.kind === 'directory') this.agent = new StoreAgent(place.directory, MAX_CONNECTIONS);
  }

  get address(): string {
    const { place } = this.options;
    if (place.kind === 'url') return place.url;
    try {
      return endpointText(readEndpoint(place.directory));
    } catch {
      return place.directory; // No store has ever started there.
    }
  }

  /** @throws SluiceError `not_reachable` when no store has started in the directory */
  private get client(): ClickHouseClient {
    this.connected ??= this.connect();
    return this.connected;
  }

  private connect(): ClickHouseClient {
    const { place, user, password, database } = this.options;
    const secret = place.kind === 'directory' && password === undefined ? readSecret(place.directory) : '';
    const tlsCa = place.kind === 'url' ? place.tlsCa : undefined;
    return createClient({
      // Of a directory only the Host header comes from it; the agent knows where to connect.
      url: place.kind === 'url' ? place.url : urlOfDirectory(place.directory),
      username: user ?? 'default',
      password: password ?? secret,
      ...defined({ database, http_agent: this.agent }),
      ...(tlsCa === undefined ? {} : { tls: { ca_cert: Buffer.from(tlsCa) } }),
      application: 'sluice',
      request_timeout: INSERT_TIMEOUT_MS + ANSWER_GRACE_MS,
      max_open_connections: MAX_CONNECTIONS,
      keep_alive: { enabled: true, idle_socket_ttl: 5_000 },
      // Errors go to the caller, who knows what they mean; nothing is logged here.
      log: { level: 127 },
    });
  }

  async insertBlocks(request: InsertBlocksRequest): Promise<void> {
    const body = Buffer.isBuffer(request.zstdBody)
      ? Readable.from([request.zstdBody], { objectMode: false })
      : request.zstdBody;
    await this.attempt('insert', async () => {
      const result = await this.client.exec({
        query: insertSql(request.columns),
        values: body,
        http_headers: {
          ...WRITE_HEADERS,
          'Content-Encoding': 'zstd',
          // Not the engine's own setting `priority`: with that, inserts of bulk stand still, up to a second at a time, while any
          // urgent one runs.
          ...(request.priority === undefined
            ? {}
            : { [TURN_HEADER]: writeTurnClaim({ kind: 'insert', priority: request.priority }) }),
        },
        clickhouse_settings: {
          insert_deduplication_token: request.deduplicationToken,
          insert_deduplicate: 1,
          async_insert: 0,
          // On a cluster: the answer comes after the shards have it.
          distributed_foreground_insert: 1,
          max_insert_threads: '1',
          min_insert_block_size_rows: WHOLE_BATCH_ROWS,
          min_insert_block_size_bytes: WHOLE_BATCH_BYTES,
          wait_end_of_query: 1,
        },
        ...defined({ abort_signal: request.signal }),
      });
      await drain(result.stream);
    });
  }

  async query(sql: string, parameters?: QueryParameters, options?: QueryOptions): Promise<StoreRow[]> {
    return await this.attempt('query', async () => {
      const result = await this.client.query({
        ...this.request(sql, parameters, options),
        format: 'JSONEachRow',
      });
      return await result.json<StoreRow>();
    });
  }

  async *queryStream(
    sql: string,
    parameters?: QueryParameters,
    options?: QueryOptions,
  ): AsyncGenerator<StoreRow[], void, undefined> {
    try {
      const result = await this.client.query({
        ...this.request(sql, parameters, options),
        format: 'JSONEachRow',
      });
      try {
        for await (const rows of result.stream<StoreRow>()) yield rows.map((row) => row.json());
      } finally {
        result.close();
      }
    } catch (error) {
      throw storeError(error, 'query', this.address);
    }
  }

  async queryText(
    sql: string,
    parameters: QueryParameters,
    options: QueryOptions & { readonly format: DataFormat },
  ): Promise<string> {
    return await this.attempt('query', async () => {
      const result = await this.client.query({
        ...this.request(sql, parameters, options),
        format: options.format,
      });
      return await result.text();
    });
  }

  async command(sql: string, parameters?: QueryParameters, options?: QueryOptions): Promise<void> {
    await this.attempt('query', async () => {
      await this.client.command({ ...this.request(sql, parameters, options), http_headers: WRITE_HEADERS });
    });
  }

  async ping(): Promise<void> {
    const result = await this.attempt('query', () => this.client.ping());
    if (!result.success) throw storeError(result.error, 'query', this.address);
  }

  async close(): Promise<void> {
    await this.connected?.close();
    this.agent?.destroy();
  }

  private request(
    sql: string,
    parameters: QueryParameters | undefined,
    options: QueryOptions | undefined,
  ): {
    query: string;
    query_params?: Record<string, unknown>;
    abort_signal: AbortSignal;
    clickhouse_settings: ClickHouseSettings;
    http_headers?: Record<string, string>;
  } {
    const timeoutMs = options?.timeoutMs ?? DEFAULT_QUERY_TIMEOUT_MS;
    const waitMs = Math.max(0, options?.search?.waitMs ?? 0);
    const deadline = AbortSignal.timeout(Math.ceil(timeoutMs + waitMs + ANSWER_GRACE_MS));
    return {
      query: sql,
      ...(parameters === undefined ? {} : { query_params: { ...parameters } }),
      abort_signal: options?.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]),
      clickhouse_settings: querySettings(options),
      ...(options?.search === undefined
        ? {}
        : {
            http_headers: {
              [ASKER_HEADER]: writeAsker(options.search.asker),
              [TURN_HEADER]: writeTurnClaim({ kind: 'search', ...options.search }),
            },
          }),
    };
  }

  private async attempt<T>(operation: StoreOperation, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, operation, this.address);
    }
  }
}

/** @throws SluiceError `not_reachable`, `config_invalid` for a store whose authority no directory tells */
function urlOfDirectory(directory: string): string {
  const endpoint = readEndpoint(directory);
  if (endpoint.kind === 'port' && endpoint.tls)
    throw new SluiceError(
      'config_invalid',
      `the store in ${directory} listens with TLS: give --store-url ${endpointText(endpoint)} (with --store-tls-ca and its password) in place of --store-data`,
    );
  return endpoint.kind === 'socket' ? 'http://localhost' : endpointText(endpoint);
}

async function drain(stream: Readable): Promise<void> {
  stream.resume();
  for await (const _chunk of stream) {
    // An insert answers nothing; only the end of the answer counts.
  }
}
