/** Every method of both ports, with bytes that are no message: the caller is told that it is at fault, and how. */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import * as http2 from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { QueryService, SearchRequestSchema } from '@sluice/wire/gen/query_pb';
import { ControlRequestSchema, UplinkService } from '@sluice/wire/gen/uplink_pb';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { Doorkeeper } from './access/doorkeeper.ts';
import { type Api, startApi } from './api/api.ts';
import { MAX_REQUEST_BYTES } from './api/limits.ts';
import { type Listener, startListener } from './ingest/listener.ts';

const logger = pino({ level: 'silent' });
const METHODS = Object.values(QueryService.method).map(({ name }) => name);
const VALID = create(SearchRequestSchema, { query: 'timeout', limit: 7, range: { startUnixNanos: 5n } });
const FAULT = z.object({ code: z.string().min(1), message: z.string().min(1) });

let directory: string;
let api: Api;
let listener: Listener;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-faults-'));
  api = await startApi({
    host: '127.0.0.1',
    port: 0,
    consoleDirectory: directory,
    search: {
      search: async ({ query }) => ({ records: [{ id: 'a.1.2.3', body: query }] }),
      count: async () => ({ count: 5n }),
      histogram: async () => ({ total: 0n }),
    },
    status: () => ({}),
    metrics: async () => '',
    logger,
  });
  listener = await startListener({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 100,
    logger,
    doorkeeper: new Doorkeeper(undefined),
    routes: (router) =>
      router.service(UplinkService, {
        async *control(requests) {
          for await (const _request of requests) yield {};
        },
        async *send(requests) {
          for await (const _request of requests) yield {};
        },
      }),
  });
});
afterAll(async () => {
  await api.stop();
  await listener.close();
  rmSync(directory, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(
  method: string,
  type: string,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  headers = {},
): Promise<Answer> {
  const answer = await fetch(`${api.url}/sluice.v1.QueryService/${method}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  });
  return { status: answer.status, text: await answer.text() };
}

/** Without saying how long the body is; what the client has left to send is of no interest to it once it is answered. */
function postInPieces(method: string, body: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { port: api.port, path: `/sluice.v1.QueryService/${method}`, method: 'POST', agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, text });
          request.destroy();
        });
      },
    );
    request.on('error', reject);
    request.setHeader('content-type', 'application/proto');
    request.write(body.subarray(0, body.length / 2));
    request.end(body.subarray(body.length / 2));
  });
}

function isTold({ status, text }: Answer, ...statuses: number[]): void {
  expect(statuses).toContain(status);
  FAULT.parse(JSON.parse(text));
}

test('the first byte of no message', async () => {
  for (const method of METHODS) {
    const answer = await post(method, 'application/proto', new Uint8Array([0xff]));
    isTold(answer, 400);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining(`no readable sluice.v1.${method}Request`),
    });
  }
});

const bytes = fc.uint8Array({ maxLength: 200 });
const method = fc.constantFrom(...METHODS);
const type = fc.constantFrom('application/proto', 'application/json', 'application/json; charset=utf-16');

test('any bytes under any method are answered, or the caller is at fault', async () => {
  await fc.assert(
    fc.asyncProperty(method, type, bytes, async (name, contentType, body) => {
      const answer = await post(name, contentType, new Uint8Array(body));
      if (answer.status !== 200) isTold(answer, 400, 415);
    }),
    { numRuns: 300 },
  );
});

test('a message that was cut, or in which a byte is another one', async () => {
  const binary = toBinary(SearchRequestSchema, VALID);
  const json = new TextEncoder().encode(toJsonString(SearchRequestSchema, VALID));
  const damage = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), cuts: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(method, fc.boolean(), damage, async (name, isBinary, { at, byte, cuts }) => {
      const body = Uint8Array.from(isBinary ? binary : json);
      const place = at % body.length;
      body[place] = byte;
      const sent = cuts ? body.subarray(0, place) : body;
      const answer = await post(name, isBinary ? 'application/proto' : 'application/json', sent);
      if (answer.status !== 200) isTold(answer, 400);
    }),
    { numRuns: 300 },
  );
});

test.each([
  '',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'nonsense',
])('a content type of %j', async (contentType) => {
  for (const name of METHODS) {
    const answer = await post(name, contentType, new Uint8Array([1, 2, 3]));
    expect(answer.status).toBe(415);
  }
});

test('a body that is larger than it may be, with its length said and without', async () => {
  const large = new Uint8Array(2 * MAX_REQUEST_BYTES);
  for (const name of METHODS) {
    const said = await post(name, 'application/proto', large);
    expect(said.status, name).toBe(413);
    const streamed = await postInPieces(name, large);
    isTold(streamed, 413);
  }
});

test('compression that is none, and compression that hides a large body', async () => {
  const gzip = { 'content-encoding': 'gzip' };
  isTold(await post('Search', 'application/proto', new Uint8Array([1, 2, 3]), gzip), 400);
  const bomb = gzipSync(new Uint8Array(20 * MAX_REQUEST_BYTES));
  isTold(await post('Search', 'application/proto', Uint8Array.from(bomb), gzip), 413);
  isTold(await post('Search', 'application/proto', new Uint8Array(), { 'content-encoding': 'odd' }), 501);
});

test.each([
  '',
  '?connect=v1&encoding=proto&base64=1&message=%25%25',
  '?encoding=json&message=%7B',
  '?encoding=odd',
])('a GET with %j', async (search) => {
  const answer = await fetch(`${api.url}/sluice.v1.QueryService/Search${search}`);
  expect([400, 415]).toContain(answer.status);
});

test('other methods than GET and POST, and a deadline that is none', async () => {
  const put = await fetch(`${api.url}/sluice.v1.QueryService/Search`, { method: 'PUT', body: '{}' });
  expect([405, 415]).toContain(put.status);
  isTold(await post('Search', 'application/json', '{}', { 'connect-timeout-ms': 'soon' }), 400);
});

test('good requests are answered after all that', async () => {
  const answer = await post(
    'Search',
    'application/proto',
    Uint8Array.from(toBinary(SearchRequestSchema, VALID)),
  );
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('timeout');
});

/** One call on the uplink's port. */
async function call(where: string, type: string, body: Uint8Array): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  session.on('error', () => undefined);
  try {
    const stream = session.request({ ':method': 'POST', ':path': where, 'content-type': type });
    const chunks: Buffer[] = [];
    let status = 0;
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.end(body);
    await new Promise<void>((resolve, reject) => {
      stream.once('close', resolve);
      stream.once('error', reject);
    });
    return { status, text: Buffer.concat(chunks).toString() };
  } finally {
    session.destroy();
  }
}

function enveloped(message: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return new Uint8Array(Buffer.concat([head, message]));
}

test('a stream of the uplink that is no stream of messages ends with its sender at fault', async () => {
  const hello = toBinary(
    ControlRequestSchema,
    create(ControlRequestSchema, { message: { case: 'hello', value: { agentId: 'a' } } }),
  );
  const cases = [
    enveloped(new Uint8Array([0xff])),
    enveloped(hello.subarray(0, hello.length - 1)),
    enveloped(hello).subarray(0, 7),
    new Uint8Array([0, 0]),
    new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 1]),
    new Uint8Array([0, 0x7f, 0xff, 0xff, 0xff, 1]),
  ];
  for (const name of ['Control', 'Send']) {
    for (const body of cases) {
      const { status, text } = await call(
        `/sluice.v1.UplinkService/${name}`,
        'application/connect+proto',
        body,
      );
      expect(status).toBe(200);
      expect(text).toMatch(/"code":"(invalid_argument|resource_exhausted|unimplemented)"/);
    }
  }
});

test('what else comes to the port of the uplink', async () => {
  const garbage = new Uint8Array([0xff, 0, 1]);
  expect((await call('/', 'text/plain', garbage)).status).toBe(404);
  expect((await call('/sluice.v1.UplinkService/Send', 'text/plain', garbage)).status).toBe(415);
  expect((await call('/sluice.v1.UplinkService/Send', 'application/proto', garbage)).status).toBe(415);
});
