/**
 * The command line's way to a server's API: one client, and its failures told in the words of SluiceError.
 */

import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';
import { tlsProblem } from '@sluice/host/tls-problem';
import { AgentService } from '@sluice/wire/gen/agents_pb';
import { QueryService } from '@sluice/wire/gen/query_pb';
import { SetAsideService } from '@sluice/wire/gen/set_aside_pb';
import type { Command } from 'commander';
import { readClientTls } from './config/tls.ts';

/** Where a server's API is when nobody says otherwise. */
const DEFAULT_SERVER_URL = 'http://127.0.0.1:8080';

/** Longer than any query may run on the server (which ends it itself with a clear word). */
const REQUEST_TIMEOUT_MS = 90_000;

export type QueryClient = Client<typeof QueryService>;
export type AgentsClient = Client<typeof AgentService>;
export type SetAsideClient = Client<typeof SetAsideService>;

/** Of each command that asks a server. */
export interface ClientOptions {
  readonly server: string;
  readonly tlsCa?: string;
}

/** Adds the options that say which server is asked, and whom to believe. */
export function addClientOptions(command: Command): Command {
  return command
    .option(
      '--server <url>',
      'API of a server [SLUICE_SERVER]',
      process.env.SLUICE_SERVER ?? DEFAULT_SERVER_URL,
    )
    .option(
      '--tls-ca <file>',
      "authorities that sign the server's certificate (PEM; default: those of the system) [SLUICE_TLS_CA]",
    );
}

/**
 * A client of the server that the options and the environment name, with the token of the environment.
 *
 * @throws SluiceError `config_unreadable`, `config_invalid`
 */
export function clientOf(options: ClientOptions): QueryClient {
  return createQueryClient(options.server, accessOf(options));
}

/** The same of what the server has set aside. */
export function setAsideClientOf(options: ClientOptions): SetAsideClient {
  return createClient(SetAsideService, transportTo(options.server, accessOf(options)));
}

/** The same of who agents are. */
export function agentClientOf(options: ClientOptions): AgentsClient {
  return createClient(AgentService, transportTo(options.server, accessOf(options)));
}

function accessOf(options: ClientOptions): QueryAccess {
  const { SLUICE_TOKEN: token, SLUICE_TLS_CA } = process.env;
  const tlsCa = options.tlsCa ?? SLUICE_TLS_CA;
  const ca = tlsCa === undefined ? undefined : readClientTls({ tlsCa })?.ca;
  return { ...defined({ token, ca }) };
}

/** What a server wants of those who ask it, and whom they believe. */
export interface QueryAccess {
  /** Bearer token. */
  readonly token?: string;
  /** Authorities that sign the server's certificate, in PEM; default: those of the system. */
  readonly ca?: string;
}

/** @throws SluiceError `config_invalid` when the token would cross the network in clear */
export function createQueryClient(serverUrl: string, access: QueryAccess = {}): QueryClient {
  return createClient(QueryService, transportTo(serverUrl, access));
}

function transportTo(serverUrl: string, { token, ca }: QueryAccess): Transport {
  const url = URL.parse(serverUrl);
  if (token !== undefined && url?.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    throw new SluiceError('config_invalid', `the token for ${serverUrl} would travel in clear`, {
      hint: 'Use https:// for servers on other machines.',
    });
  }
  return createConnectTransport({
    baseUrl: serverUrl,
    ...(ca === undefined ? {} : { nodeOptions: { ca } }),
    httpVersion: '1.1',
    useBinaryFormat: true,
    defaultTimeoutMs: REQUEST_TIMEOUT_MS,
    interceptors: [
      (next) => (request) => {
        if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
}

/** @returns ms after which a server that was too busy wants to be asked again; undefined for any other error */
export function retryAfterMs(error: unknown): number | undefined {
  const { metadata } = ConnectError.from(error);
  if (metadata.get('sluice-error-code') !== 'busy') return undefined;
  const seconds = Number(metadata.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

/**
 * @param error what a call of the client threw
 * @param query the query that was asked, so that the place of a mistake can be shown
 * @returns what to tell the user
 */
export function clientError(error: unknown, serverUrl: string, query?: string): SluiceError {
  const cause = ConnectError.from(error);
  const problem = tlsProblem(cause);
  if (problem !== undefined) return new SluiceError('not_reachable', `${serverUrl}: ${problem}`, { cause });
  if (cause.metadata.get('sluice-error-code') === 'busy') {
    return new SluiceError('busy', `${serverUrl} is ${cause.rawMessage}`, { cause });
  }
  switch (cause.code) {
    case Code.InvalidArgument: {
      const position = Number(cause.metadata.get('sluice-error-position') ?? Number.NaN);
      const pointer =
        query === undefined || Number.isNaN(position) ? '' : `\n  ${query}\n  ${' '.repeat(position)}^`;
      return new SluiceError('query_invalid', `${cause.rawMessage}${pointer}`, {
        cause,
        hint: 'The language is described in docs/search.md.',
      });
    }
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return new SluiceError('unauthorized', `${serverUrl} refused: ${cause.rawMessage}`, {
        cause,
        hint: 'Set SLUICE_TOKEN to a token that this server accepts.',
      });
    case Code.FailedPrecondition:
      return new SluiceError('config_invalid', cause.rawMessage, { cause });
    case Code.DeadlineExceeded:
      return new SluiceError('not_reachable', `${serverUrl} did not answer in time: ${cause.rawMessage}`, {
        cause,
        hint: 'Narrow the time range or the query.',
      });
    case Code.Unavailable:
      return new SluiceError('not_reachable', `${serverUrl} is not available: ${cause.rawMessage}`, {
        cause,
        hint: 'Is a server running there? Name another with --server URL or SLUICE_SERVER.',
      });
    default:
      return new SluiceError('internal', `${serverUrl} answered: ${cause.rawMessage}`, { cause });
  }
}
