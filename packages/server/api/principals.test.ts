/** Who asks, at the door of the API: each of its routes, with and without a token. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { ANONYMOUS, type Principal, TOKEN_HOLDER } from '@sluice/protocol/principal';
import { AgentService } from '@sluice/wire/gen/agents_pb';
import { QueryService } from '@sluice/wire/gen/query_pb';
import { SetAsideService } from '@sluice/wire/gen/set_aside_pb';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { whoMayAsk } from '../access/api-routes.ts';
import { type Api, startApi } from './api.ts';

/** What tells nothing of the logs, and changes nothing. Think twice before you add to it. */
const OPEN_TO_ANYONE = ['/*', '/healthz', '/readyz'];
const SERVICES: readonly DescService[] = [QueryService, AgentService, SetAsideService];
const METHODS: readonly string[] = SERVICES.flatMap(({ typeName, methods }) =>
  methods.map(({ name }) => `/${typeName}/${name}`),
);

let directory: string;
let api: Api | undefined;
/** Who asked, as what answers was told. */
let askers: Principal[];
let lines: string[];
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-principals-'));
  askers = [];
  lines = [];
});
afterEach(async () => {
  await api?.stop();
  rmSync(directory, { recursive: true });
});

async function start(token?: string): Promise<Api> {
  api = await startApi({
    host: '127.0.0.1',
    port: 0,
    consoleDirectory: directory,
    search: {
      search: async (_request, principal) => {
        askers.push(principal);
        return {};
      },
      count: async (_request, principal) => {
        askers.push(principal);
        return {};
      },
      histogram: async (_request, principal) => {
        askers.push(principal);
        return {};
      },
    },
    status: () => ({}),
    agents: {
      list: () => ({}),
      accept: async (_request, principal) => {
        askers.push(principal);
        return {};
      },
      problems: () => [],
    },
    journal: {
      setAsideBlocks: () => [],
      readPayload: () => Buffer.alloc(0),
      retrySetAside: async () => 1,
      dropSetAside: async () => 1,
      acknowledgeLosses: () => undefined,
      get statistics(): never {
        throw new Error('not asked for');
      },
    },
    metrics: async () => '',
    logger: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    ...(token === undefined ? {} : { token }),
  });
  return api;
}

async function ask(route: string, authorization?: string): Promise<number> {
  const isMethod = METHODS.includes(route);
  const answer = await fetch(`${api?.url}${route}`, {
    method: isMethod ? 'POST' : 'GET',
    headers: {
      'content-type': 'application/json',
      ...(authorization === undefined ? {} : { authorization }),
    },
    ...(isMethod ? { body: '{}' } : {}),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('each route says who may ask it, and few say anyone', async () => {
  const { routes } = await start();
  const open = [...routes].filter(([, mayAsk]) => mayAsk === 'anyone').map(([route]) => route);
  expect(open.sort()).toEqual(OPEN_TO_ANYONE);
  expect([...routes.keys()].sort()).toEqual([...OPEN_TO_ANYONE, '/metrics', ...METHODS].sort());
  expect(() => whoMayAsk('/new')).toThrow(expect.objectContaining({ code: 'internal' }));
});

test('without the token, or with another one, nobody is told anything', async () => {
  const { routes } = await start('right');
  for (const [route, mayAsk] of routes) {
    if (mayAsk === 'anyone') continue;
    for (const authorization of [undefined, 'Bearer wrong', 'Bearer ', 'right'])
      expect([route, authorization, await ask(route, authorization)]).toEqual([route, authorization, 401]);
    expect([route, await ask(route, 'Bearer right')]).not.toEqual([route, 401]);
  }
  for (const route of ['/healthz', '/readyz', '/']) {
    expect([route, await ask(route)]).toEqual([route, 200]);
    expect([route, await ask(route, 'Bearer wrong')]).toEqual([route, 200]);
  }
});

const TOLD = [
  '/sluice.v1.QueryService/Search',
  '/sluice.v1.QueryService/Count',
  '/sluice.v1.QueryService/Histogram',
  '/sluice.v1.AgentService/AcceptAgent',
];

test('who asks without a token where none is wanted is anonymous to all that answer', async () => {
  await start();
  for (const route of TOLD) expect([route, await ask(route)]).toEqual([route, 200]);
  expect(askers).toEqual(TOLD.map(() => ANONYMOUS));
});

test('who shows the token is known as its holder, and stands in the log by that name', async () => {
  await start('very secret');
  for (const route of TOLD) expect([route, await ask(route, 'Bearer very secret')]).toEqual([route, 200]);
  expect(askers).toEqual(TOLD.map(() => TOKEN_HOLDER));
  await ask('/sluice.v1.SetAsideService/RetrySetAside', 'Bearer very secret');
  expect(lines.find((line) => line.includes('tried again'))).toContain('"by":"token"');
  expect(lines.join('')).not.toContain('very secret');
});
