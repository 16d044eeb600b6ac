/**
 * The subset of ClickHouse's HTTP interface that clients use, before the embedded engine.
 *
 * Invariants: an insert is acknowledged after the engine has it on disk; a failed request says why in ClickHouse's
 * words with its exception code; an answer that fails after it began is broken off, never ended as if it were whole.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createGzip, type Gzip } from 'node:zlib';
import type { StoreEndpoint } from './endpoint.ts';
import type { Engine, EngineQuery } from './engine.ts';
import { EngineError, EXCEPTION_CODES, statusOf } from './engine-error.ts';
import { contentTypeOf, isPiecewise } from './formats.ts';
import {
  DEFAULT_INSERT_EXECUTION_SECONDS,
  DEFAULT_MAX_EXECUTION_SECONDS,
  EXPRESS_INSERTS,
  KEEP_ALIVE_MS,
  MAX_CONCURRENT_INSERTS,
  MAX_CONCURRENT_QUERIES,
  MAX_HEADER_BYTES,
  MAX_WAIT_MS,
  MAX_WAITING_REQUESTS,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import { readText, spool } from './request-body.ts';
import { refusalOf } from './request-guard.ts';
import { ENGINE_ORDER, SearchShare } from './search-share.ts';
import { type Statement, type StoreRules, withInfile } from './statement.ts';
import { authenticate, type Credentials, readRequest, type StoreRequest } from './store-request.ts';
import { Turns } from './turns.ts';

export interface StoreServerOptions {
  readonly engine: Engine;
  /** Which statements, settings and formats are taken. */
  readonly rules: StoreRules;
  /** Where the server listens, once it does; before that nothing is answered. */
  readonly endpoint: () => StoreEndpoint | undefined;
  /** What each request must show at the endpoint; undefined where reaching it is enough. */
  readonly credentials: (endpoint: StoreEndpoint) => Credentials | undefined;
  /** PEM; with it the server speaks TLS. */
  readonly tls: StoreTls | undefined;
  /** Where bodies of inserts lie while the engine reads them. */
  readonly incomingDirectory: string;
  /** Told of each failed request that was the store's fault, and whose it was as far as is known. */
  readonly onFailure: (error: EngineError, asker: string | undefined) => void;
}

/** PEM texts. */
export interface StoreTls {
  readonly cert: string;
  readonly key: string;
}

interface Job {
  readonly query: EngineQuery;
  readonly format: string;
  readonly streams: boolean;
  readonly gzip: boolean;
}

/** @returns a server that does not listen yet */
export function createStoreServer(options: StoreServerOptions): Server {
  const queryTurns = new Turns({
    limit: MAX_CONCURRENT_QUERIES,
    maxWaiting: MAX_WAITING_REQUESTS,
    maxWaitMs: MAX_WAIT_MS,
  });
  const insertTurns = new Turns({
    limit: MAX_CONCURRENT_INSERTS,
    express: EXPRESS_INSERTS,
    maxWaiting: MAX_WAITING_REQUESTS,
    maxWaitMs: MAX_WAIT_MS,
  });
  const handler = new StoreHandler(options, queryTurns, insertTurns, new SearchShare());
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    handler.handle(request, response).catch((error: unknown) => {
      options.onFailure(EngineError.from(error), undefined);
      response.destroy();
    });
  };
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  return options.tls === undefined
    ? createServer(limits, onRequest)
    : createTlsServer({ ...limits, ...options.tls, minVersion: 'TLSv1.2' }, onRequest);
}

class StoreHandler {
  private readonly options: StoreServerOptions;
  private readonly queryTurns: Turns;
  private readonly insertTurns: Turns;
  private readonly searchShare: SearchShare;

  constructor(options: StoreServerOptions, queryTurns: Turns, insertTurns: Turns, searchShare: SearchShare) {
    this.options = options;
    this.queryTurns = queryTurns;
    this.insertTurns = insertTurns;
    this.searchShare = searchShare;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const endpoint = this.options.endpoint();
    const refusal = refusalOf(request, endpoint);
    if (refusal !== undefined || endpoint === undefined) {
      response.setHeader('Connection', 'close');
      answerText(response, refusal?.status ?? 503, refusal?.text ?? 'The store is not ready.\n');
      return;
    }
    const url = new URL(request.url ?? '/', 'http://store');
    if (url.pathname === '/ping' || (url.pathname === '/' && request.method === 'HEAD')) {
      answerText(response, 200, 'Ok.\n');
      return;
    }
    if (url.pathname !== '/') {
      answerText(response, 404, `There is no handle ${url.pathname}. Use / with ?query=, or /ping.\n`);
      return;
    }
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    let asker: string | undefined;
    try {
      const principal = authenticate(request, this.options.credentials(endpoint));
      const read = readRequest(request, url, this.options.rules, principal);
      asker = read.asker ?? principal.name;
      if (request.method === 'GET' && read.urlQuery === '') answerText(response, 200, 'Ok.\n');
      else await this.answer(request, response, read, gone.signal);
    } catch (error) {
      const failure = EngineError.from(error);
      if (statusOf(failure.exceptionCode) === 500) this.options.onFailure(failure, asker);
      answerFailure(request, response, failure);
    }
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    read: StoreRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const queryId = read.queryId ?? randomUUID();
    response.setHeader('X-ClickHouse-Query-Id', queryId);
    response.setHeader('X-ClickHouse-Server-Display-Name', 'sluice-store');
    response.setHeader('X-ClickHouse-Timezone', Intl.DateTimeFormat().resolvedOptions().timeZone);
    const { judge } = this.options.rules;
    if (read.access === 'write' && /^\s*INSERT\b/i.test(read.urlQuery)) {
      const statement = judge(read.urlQuery, read.access);
      if (statement.kind === 'insertBody') {
        await this.insertBody(request, response, read, statement, signal);
        return;
      }
    }
    const body = await readText(request, read.bodyCompression);
    const sql = read.urlQuery === '' || body === '' ? read.urlQuery + body : `${read.urlQuery}\n${body}`;
    const statement = judge(sql, read.access);
    if (statement.kind === 'insertBody')
      throw new EngineError(
        EXCEPTION_CODES.badArguments,
        'The data of an insert is the body of the request, its text the query parameter of the URL. (BAD_ARGUMENTS)',
      );
    const format = statement.format ?? read.defaultFormat;
    const job: Job = {
      query: this.queryOf(read, sql, format, statement, signal),
      format,
      streams: statement.kind === 'select' && isPiecewise(format) && !read.waitsForEnd,
      gzip: read.gzipAnswer,
    };
    const isInsert = statement.kind === 'insert';
    const release =
      read.turn?.kind === 'search' && !isInsert
        ? await this.searchShare.take(read.turn, signal)
        : await (isInsert ? this.insertTurns : this.queryTurns).take(signal);
    try {
      if (job.streams) await this.streamResult(response, job);
      else await this.wholeResult(response, job, isInsert);
    } finally {
      release();
    }
  }

  private async insertBody(
    request: IncomingMessage,
    response: ServerResponse,
    read: StoreRequest,
    statement: Statement,
    signal: AbortSignal,
  ): Promise<void> {
    const spooled = await spool(request, this.options.incomingDirectory, read.bodyCompression);
    let release: (() => void) | undefined;
    try {
      release = await this.insertTurns.take(signal, read.turn?.kind === 'insert' ? read.turn.priority : 0);
      const sql = withInfile(read.urlQuery, statement, spooled.path, spooled.compression);
      const query = this.queryOf(read, sql, read.defaultFormat, statement, signal);
      await this.wholeResult(
        response,
        { query, format: read.defaultFormat, streams: false, gzip: false },
        true,
      );
    } finally {
      release?.();
      await spooled.remove();
    }
  }

  private queryOf(
    read: StoreRequest,
    sql: string,
    format: string,
    statement: Statement,
    signal: AbortSignal,
  ): EngineQuery {
    const isInsert = statement.kind === 'insert' || statement.kind === 'insertBody';
    const seconds = isInsert ? DEFAULT_INSERT_EXECUTION_SECONDS : DEFAULT_MAX_EXECUTION_SECONDS;
    return {
      id: randomUUID(),
      sql,
      format,
      settings: new Map([
        ['max_execution_time', String(seconds)],
        ...read.settings,
        // An estimate reads indexes only: heavy ones need not stand still for it.
        ...(read.turn?.kind === 'search' && statement.kind === 'select'
          ? ENGINE_ORDER[read.turn.weight]
          : []),
      ]),
      parameters: read.parameters,
      readonly: statement.kind === 'select' || statement.kind === 'explain',
      // An insert goes to its end though its client is gone: it may be whole, and a second try is recognized by its token.
      signal: isInsert ? new AbortController().signal : signal,
    };
  }

  private async wholeResult(response: ServerResponse, job: Job, isInsert: boolean): Promise<void> {
    const result = await this.options.engine.run(job.query);
    const summary = isInsert
      ? {
          read_rows: result.rows,
          read_bytes: result.rowBytes,
          written_rows: result.rows,
          written_bytes: result.rowBytes,
        }
      : { read_rows: result.rows, read_bytes: result.rowBytes, written_rows: 0, written_bytes: 0 };
    setSummary(response, {
      ...summary,
      result_rows: result.rows,
      result_bytes: result.bytes.length,
      elapsed_ns: Math.round(result.elapsedSeconds * 1e9),
    });
    const answer = new Answer(response, job);
    if (result.bytes.length > 0) await answer.write(result.bytes);
    await answer.end();
  }

  private async streamResult(response: ServerResponse, job: Job): Promise<void> {
    const answer = new Answer(response, job);
    await this.options.engine.stream(job.query, (bytes) => answer.write(bytes));
    await answer.end();
  }
}

/** The body of an answer, gzip or not; its head goes out with the first bytes, so that early errors have a status. */
class Answer {
  private readonly response: ServerResponse;
  private readonly job: Job;
  private gzip: Gzip | undefined;

  constructor(response: ServerResponse, job: Job) {
    this.response = response;
    this.job = job;
  }

  /** Resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    this.begin();
    const sink = this.gzip ?? this.response;
    if (this.response.destroyed)
      throw new EngineError(EXCEPTION_CODES.networkError, 'The client is gone. (NETWORK_ERROR)');
    if (sink.write(bytes)) return;
    await this.untilEvent(sink, 'drain');
  }

  async end(): Promise<void> {
    this.begin();
    const sink = this.gzip ?? this.response;
    sink.end();
    if (!this.response.writableFinished && !this.response.destroyed)
      await this.untilEvent(this.response, 'finish');
  }

  /** Waits for the event, or for the client to be gone. */
  private untilEvent(emitter: Gzip | ServerResponse, event: 'drain' | 'finish'): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        emitter.off(event, done);
        this.response.off('close', done);
        resolve();
      };
      emitter.on(event, done);
      this.response.on('close', done);
    });
  }

  private begin(): void {
    const { response, job } = this;
    if (response.headersSent) return;
    setSummary(response, {});
    const headers: Record<string, string> = {
      'Content-Type': contentTypeOf(job.format),
      'X-ClickHouse-Format': job.format,
    };
    if (job.gzip) headers['Content-Encoding'] = 'gzip';
    response.writeHead(200, headers);
    if (!job.gzip) return;
    this.gzip = createGzip({ level: 1 });
    this.gzip.pipe(response);
    response.once('close', () => this.gzip?.destroy());
  }
}

const EMPTY_SUMMARY = {
  read_rows: 0,
  read_bytes: 0,
  written_rows: 0,
  written_bytes: 0,
  total_rows_to_read: 0,
  result_rows: 0,
  result_bytes: 0,
  elapsed_ns: 0,
};

/** Numbers as text, as ClickHouse writes them. The first call wins. */
function setSummary(response: ServerResponse, summary: Partial<typeof EMPTY_SUMMARY>): void {
  if (response.hasHeader('X-ClickHouse-Summary')) return;
  const entries = Object.entries({ ...EMPTY_SUMMARY, ...summary });
  response.setHeader(
    'X-ClickHouse-Summary',
    JSON.stringify(Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))),
  );
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8' });
  response.end(text);
}

function answerFailure(request: IncomingMessage, response: ServerResponse, failure: EngineError): void {
  if (response.headersSent) {
    // The status is gone already. A broken transfer is what every client notices.
    response.destroy();
    return;
  }
  response.removeHeader('X-ClickHouse-Summary');
  response.writeHead(statusOf(failure.exceptionCode), {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(failure.exceptionCode),
    // What of the body was not read would be taken for the next request.
    ...(request.complete ? {} : { Connection: 'close' }),
  });
  response.end(`${failure.text}\n`);
  if (!request.complete) request.resume();
}
