/**
 * The server's HTTP face for people and programs: QueryService (Connect, JSON and binary), `/metrics`, `/healthz`,
 * `/readyz` and the console.
 *
 * Invariants: open to the network only with token and TLS; on loopback only names of this computer are answered; each
 * request has a principal, and each route says who may ask it; no request is larger or slower than limits.ts says; after stop() no port and no request is left.
 */

import { type SecureContextOptions, Server as TlsServer } from 'node:tls';
import { createContextValues } from '@connectrpc/connect';
import { fastifyConnectPlugin } from '@connectrpc/connect-fastify';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';
import { ANONYMOUS } from '@sluice/protocol/principal';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type MayAsk, whoMayAsk } from '../access/api-routes.ts';
import { PRINCIPAL, principalInterceptor } from '../access/context.ts';
import { Doorkeeper } from '../access/doorkeeper.ts';
import { checkExposure } from '../access/exposure.ts';
import type { AgentService } from '../identity/agent-service.ts';
import { requestFaultInterceptor, tellRequestFaults } from '../request-faults.ts';
import type { SearchService } from '../search/search-service.ts';
import { agentRoutes } from './agent-routes.ts';
import { serveConsole } from './console-files.ts';
import { isFromOtherSite } from './cross-site.ts';
import { isAllowedHost } from './host-header.ts';
import {
  HANG_UP_AFTER_MS,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_TIMEOUT_MS,
  REQUEST_RECEIVE_TIMEOUT_MS,
  STOP_GRACE_MS,
} from './limits.ts';
import { queryRoutes, type StatusSource } from './routes.ts';
import { type SetAsideJournal, setAsideRoutes } from './set-aside-routes.ts';

export interface ApiOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The built console. */
  readonly consoleDirectory: string;
  readonly search: SearchService;
  readonly status: StatusSource;
  /** Who agents are; without it AgentService is not served. */
  readonly agents?: AgentService;
  /** What was set aside; without it SetAsideService is not served. */
  readonly journal?: SetAsideJournal;
  /** Text in Prometheus' format. */
  readonly metrics: () => Promise<string>;
  readonly logger: Logger;
  /** Bearer token that QueryService and `/metrics` want. */
  readonly token?: string;
  /** PEM; with both, the API speaks TLS. */
  readonly tls?: ApiTls;
  /** Further names that a Host header may carry on loopback. */
  readonly hostNames?: readonly string[];
  /** Why the server cannot answer searches now; undefined when it can. Default: always ready. */
  readonly notReady?: () => Promise<string | undefined> | string | undefined;
}

/** PEM texts. */
export interface ApiTls {
  readonly key: string;
  readonly cert: string;
}

export interface Api {
  readonly url: string;
  readonly port: number;
  /** All that it serves, and who may ask it. */
  readonly routes: ReadonlyMap<string, MayAsk>;
  /** Shows this certificate from the next connection on. Throws what OpenSSL says of one that cannot be used. */
  readonly renewTls: (tls: ApiTls) => void;
  readonly stop: () => Promise<void>;
}

/**
 * @throws SluiceError `config_invalid` for an address open to the network without token and TLS, `address_in_use`
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { host, token, tls } = options;
  checkExposure('API', host, tls !== undefined, token);
  const doorkeeper = new Doorkeeper(token);
  const server = fastify({
    bodyLimit: MAX_REQUEST_BYTES,
    requestTimeout: REQUEST_RECEIVE_TIMEOUT_MS,
    forceCloseConnections: true,
    ...defined({ https: tls && secureContext(tls) }),
  }) as FastifyInstance; // The type differs by protocol; what is used here is the same.
  const routes = new Map<string, MayAsk>();
  server.addHook('onRoute', ({ url }) => void routes.set(url, whoMayAsk(url)));
  server.decorateRequest('principal', undefined);
  server.addHook('onRequest', async (request, reply) => await admit(options, doorkeeper, request, reply));
  server.addHook('onResponse', async (request) => hangUpOnSender(request));
  await server.register(fastifyConnectPlugin, {
    routes: (router) => {
      queryRoutes(options)(router);
      if (options.agents !== undefined) agentRoutes(options.agents)(router);
      if (options.journal !== undefined) setAsideRoutes(options.journal, options.logger)(router);
      tellRequestFaults(router);
    },
    interceptors: [principalInterceptor, requestFaultInterceptor],
    contextValues: ({ principal }) => createContextValues().set(PRINCIPAL, principal),
    maxTimeoutMs: MAX_REQUEST_TIMEOUT_MS,
    readMaxBytes: MAX_REQUEST_BYTES,
    shutdownTimeoutMs: STOP_GRACE_MS,
    grpc: false,
    grpcWeb: false,
  });
  serveHealth(server, options);
  await serveConsole(server, options.consoleDirectory);
  const address = await listen(server, options);
  const shownHost = host.includes(':') ? `[${host}]` : host;
  options.logger.info({ host, port: address }, 'the API listens');
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${shownHost}:${address}`,
    port: address,
    routes,
    renewTls: (renewed) => {
      if (server.server instanceof TlsServer) server.server.setSecureContext(secureContext(renewed));
    },
    stop: async () => await server.close(),
  };
}

/**
 * Who was answered before its body was read may go on sending: for a moment it is let, so that it reads its answer
 * instead of a reset connection, and then hung up on.
 */
function hangUpOnSender({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return;
  raw.resume();
  const timer = setTimeout(() => raw.destroy(), HANG_UP_AFTER_MS);
  raw.once('close', () => clearTimeout(timer));
}

function secureContext({ key, cert }: ApiTls): SecureContextOptions {
  return { key, cert, minVersion: 'TLSv1.2' };
}

/**
 * Styles may be inline (the chart and the virtual list set them), scripts may not; nothing comes from elsewhere.
 */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
    "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** The door: finds out who asks, and answers those that may not. */
async function admit(
  options: ApiOptions,
  doorkeeper: Doorkeeper,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  reply.headers(SECURITY_HEADERS);
  if (isLoopbackHost(options.host) && !isAllowedHost(request.headers.host, options.hostNames ?? [])) {
    await reply.code(421).send({
      code: 'failed_precondition',
      message:
        'This server does not answer to that host name; ask for localhost or 127.0.0.1, or start it with --api-host-name NAME.',
    });
    return;
  }
  const visitor = doorkeeper.visitor(request.headers.authorization ?? null);
  request.principal = visitor ?? ANONYMOUS;
  const { url } = request.routeOptions;
  // Where there is no route there is nothing to be kept from anyone.
  if (url === undefined || whoMayAsk(url) === 'anyone') return;
  if (isFromOtherSite(request.headers, options.hostNames ?? [])) {
    await reply.code(403).send({
      code: 'permission_denied',
      message: 'This server does not answer pages of other sites.',
    });
    return;
  }
  if (visitor !== undefined) return;
  await reply
    .code(401)
    .header('www-authenticate', 'Bearer')
    .send({ code: 'unauthenticated', message: 'This server wants a token: Authorization: Bearer TOKEN.' });
}

function serveHealth(server: FastifyInstance, options: ApiOptions): void {
  server.get('/healthz', async (_request, reply) => await reply.type('text/plain').send('ok\n'));
  server.get('/readyz', async (_request, reply) => {
    const reason = await options.notReady?.();
    return await reply
      .code(reason === undefined ? 200 : 503)
      .type('text/plain')
      .send(`${reason ?? 'ready'}\n`);
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await options.metrics()),
  );
}

async function listen(server: FastifyInstance, options: ApiOptions): Promise<number> {
  try {
    await server.listen({ host: options.host, port: options.port });
  } catch (error) {
    await server.close();
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new SluiceError('address_in_use', `port ${options.port} on ${options.host} is in use`, {
        cause: error,
        hint: 'Choose another port, or end the program that uses it.',
      });
    }
    throw SluiceError.from(error, 'config_invalid');
  }
  const address = server.server.address();
  return address === null || typeof address === 'string' ? options.port : address.port;
}
