/**
 * A server for the console alone: serves `dist` and speaks the real protocol with made-up data. Run it to look at the
 * page without agents or a store: `node packages/console/testing/fake-server.ts [PORT]`.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { type LogRecord, QueryService, type TimeRange } from '@sluice/wire/gen/query_pb';
import { makeRecords } from './fake-logs.ts';
import { readFakeQuery } from './fake-query.ts';
import { makeStatus } from './fake-status.ts';

export interface FakeServer {
  readonly url: string;
  /** What is wrong at the moment; the page must say so. `cut off`: this server is well, but the test lets nothing through. */
  trouble: 'none' | 'store down' | 'unwell' | 'search fails' | 'no logs' | 'cut off';
  /** Who does not show it is refused; undefined lets everyone in. */
  token: string | undefined;
  /** Searches answered so far. */
  searches: number;
  close(): Promise<void>;
}

/** The policy that a server in earnest would send: nothing inline, nobody else. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'";
const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);
const USUAL_STEPS_SECONDS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 86_400, 604_800,
];
const DEFAULT_LIMIT = 100;
const DEFAULT_BUCKETS = 60;
const NANOS_PER_SECOND = 1_000_000_000n;

/** Starts on a free port of this machine, or on the one given. `records` of made-up logs end now. */
export async function startFakeServer(
  directory: string,
  options: { readonly port?: number; readonly records?: number } = {},
): Promise<FakeServer> {
  const records = makeRecords(options.records ?? 12_000, Date.now(), 7);
  const server = createServer();
  const fake: FakeServer = {
    get url(): string {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('the fake server does not listen');
      return `http://127.0.0.1:${address.port}`;
    },
    trouble: 'none',
    token: undefined,
    searches: 0,
    close: () => close(server),
  };
  const api = connectNodeAdapter({ routes: (router) => addRoutes(router, fake, records) });
  server.on('request', (request, response) => {
    const isApi = request.url?.startsWith('/sluice.v1.') === true;
    if (isApi && fake.token !== undefined && request.headers.authorization !== `Bearer ${fake.token}`) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ code: 'unauthenticated', message: 'This server wants a token.' }));
    } else if (isApi) api(request, response);
    else void serveFile(directory, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
  });
  return fake;
}

function addRoutes(router: ConnectRouter, fake: FakeServer, records: readonly LogRecord[]): void {
  const select = (query: string, range: TimeRange | undefined): LogRecord[] => {
    if (fake.trouble === 'store down') {
      throw new ConnectError('the store at http://127.0.0.1:8123 does not answer', Code.Unavailable);
    }
    if (fake.trouble === 'search fails') throw new ConnectError('memory limit exceeded', Code.Internal);
    if (fake.trouble === 'no logs') return [];
    const parsed = readFakeQuery(query);
    if (parsed.kind === 'error') {
      throw new ConnectError(parsed.message, Code.InvalidArgument, {
        'sluice-error-position': String(parsed.position),
      });
    }
    return records.filter(
      (record) =>
        (range?.startUnixNanos === undefined || record.timestampUnixNanos >= range.startUnixNanos) &&
        (range?.endUnixNanos === undefined || record.timestampUnixNanos < range.endUnixNanos) &&
        parsed.matches(record),
    );
  };
  router.service(QueryService, {
    search: (request) => {
      const found = select(request.query, request.range);
      fake.searches += 1;
      const from = request.cursor === '' ? 0 : Number(request.cursor);
      const to = from + (request.limit || DEFAULT_LIMIT);
      return {
        records: found.slice(from, to),
        nextCursor: to < found.length ? String(to) : '',
        sql: 'SELECT 1',
        elapsedMs: 23n,
      };
    },
    count: (request) => ({ count: BigInt(select(request.query, request.range).length), elapsedMs: 4n }),
    histogram: (request) => histogram(select(request.query, request.range), request.range, request.buckets),
    getStatus: () =>
      makeStatus(Date.now(), {
        storeAvailable: fake.trouble !== 'store down',
        unwell: fake.trouble === 'unwell',
        totalRecords: records.length,
      }),
  });
}

function histogram(found: readonly LogRecord[], range: TimeRange | undefined, wanted: number) {
  const start = range?.startUnixNanos ?? found.at(-1)?.timestampUnixNanos ?? 0n;
  const end = range?.endUnixNanos ?? (found[0]?.timestampUnixNanos ?? 0n) + 1n;
  const seconds = Number((end - start) / NANOS_PER_SECOND) / (wanted || DEFAULT_BUCKETS);
  const step = BigInt(USUAL_STEPS_SECONDS.find((usual) => usual >= seconds) ?? 604_800) * NANOS_PER_SECOND;
  const buckets = new Map<bigint, Record<(typeof NAMES)[number], bigint>>();
  for (const record of found) {
    const at = record.timestampUnixNanos - (record.timestampUnixNanos % step);
    const bucket = buckets.get(at) ?? {
      unspecified: 0n,
      trace: 0n,
      debug: 0n,
      info: 0n,
      warn: 0n,
      error: 0n,
      fatal: 0n,
    };
    bucket[NAMES[Math.ceil(record.severityNumber / 4)] ?? 'unspecified'] += 1n;
    buckets.set(at, bucket);
  }
  return {
    startUnixNanos: start - (start % step),
    stepNanos: step,
    total: BigInt(found.length),
    elapsedMs: 9n,
    buckets: [...buckets].map(([startUnixNanos, counts]) => ({ startUnixNanos, ...counts })),
  };
}

const NAMES = ['unspecified', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

async function serveFile(
  directory: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const file = path.join(directory, pathname === '/' ? 'index.html' : path.normalize(pathname));
  try {
    const content = await readFile(file);
    response.writeHead(200, {
      'content-type': CONTENT_TYPES.get(path.extname(file)) ?? 'application/octet-stream',
      'content-security-policy': CONTENT_SECURITY_POLICY,
    });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeAllConnections();
  });
}

if (import.meta.main) {
  const fake = await startFakeServer(path.join(import.meta.dirname, '..', 'dist'), {
    port: Number(process.argv[2] ?? 8081),
  });
  process.stdout.write(`ready ${fake.url}\n`);
}
