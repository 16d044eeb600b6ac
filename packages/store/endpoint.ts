/**
 * Where a store listens and what it wants to hear, as files of its data directory, which only its user can read: whoever
 * is to talk to it is told the directory, and nothing secret stands in a setting, a URL or a list of processes.
 *
 *   endpoint   JSON: the socket's path, or host and port; written anew at each start
 *   secret     what a request shows on a port; drawn once
 *   socket     the Unix socket, when there is one
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, type ClientRequestArgs } from 'node:http';
import { createConnection } from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { messageOf, SluiceError } from '@sluice/base/error';
import { PRIVATE_FILE_MODE, writePrivateFile } from '@sluice/host/private-directory';

export const SOCKET_FILE = 'socket';
const ENDPOINT_FILE = 'endpoint';
const SECRET_FILE = 'secret';
const SECRET_BYTES = 32;

export type StoreEndpoint =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'port'; readonly host: string; readonly port: number; readonly tls: boolean };

/** The endpoint in words for people: `unix:/path` or a URL. */
export function endpointText(endpoint: StoreEndpoint): string {
  if (endpoint.kind === 'socket') return `unix:${endpoint.path}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.tls ? 'https' : 'http'}://${host}:${endpoint.port}`;
}

/** Replaces what was written before in one step, so that no reader sees half of it. */
export function writeEndpoint(directory: string, endpoint: StoreEndpoint): void {
  const file = path.join(directory, ENDPOINT_FILE);
  writePrivateFile(`${file}.new`, `${JSON.stringify(endpoint)}\n`);
  renameSync(`${file}.new`, file);
}

/** @throws SluiceError `not_reachable` when no store has written there, or something else has */
export function readEndpoint(directory: string): StoreEndpoint {
  const file = path.join(directory, ENDPOINT_FILE);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SluiceError('not_reachable', `there is no store in ${directory}: ${messageOf(error)}`, {
      cause: error,
      hint: `Start one with 'sluice store --data ${directory}', by the same user.`,
    });
  }
  if (typeof value === 'object' && value !== null && 'kind' in value) {
    if (value.kind === 'socket' && 'path' in value && typeof value.path === 'string')
      return { kind: 'socket', path: value.path };
    if (value.kind === 'port' && 'host' in value && 'port' in value && 'tls' in value) {
      const { host, port, tls } = value;
      if (typeof host === 'string' && typeof port === 'number' && typeof tls === 'boolean')
        return { kind: 'port', host, port, tls };
    }
  }
  throw new SluiceError('not_reachable', `${file} does not say where the store listens`, {
    hint: 'It is written when the store starts: start it again.',
  });
}

/** @returns the secret of the data directory, which is drawn now when there is none */
export function ensureSecret(directory: string): string {
  const file = path.join(directory, SECRET_FILE);
  const drawn = randomBytes(SECRET_BYTES).toString('base64url');
  try {
    const descriptor = openSync(file, 'wx', PRIVATE_FILE_MODE);
    writeFileSync(descriptor, drawn);
    closeSync(descriptor);
    return drawn;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const found = readSecret(directory);
  // Of a start that was cut short between making the file and writing it.
  if (found === '') writePrivateFile(file, drawn);
  return found === '' ? drawn : found;
}

/** @throws SluiceError `not_reachable` when no store has drawn one */
export function readSecret(directory: string): string {
  try {
    return readFileSync(path.join(directory, SECRET_FILE), 'utf8').trim();
  } catch (error) {
    throw new SluiceError(
      'not_reachable',
      `the store's secret in ${directory} cannot be read: ${messageOf(error)}`,
      {
        cause: error,
        hint: 'Run as the user of the store, and start the store first.',
      },
    );
  }
}

/** Connects HTTP requests to the store of a data directory, wherever it listens at the time; in clear, so not with TLS. */
export class StoreAgent extends Agent {
  private readonly directory: string;

  constructor(directory: string, maxSockets: number) {
    super({ keepAlive: true, maxSockets });
    this.directory = directory;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | undefined {
    try {
      const endpoint = readEndpoint(this.directory);
      return endpoint.kind === 'socket'
        ? createConnection({ path: endpoint.path })
        : createConnection({ host: endpoint.host, port: endpoint.port });
    } catch (error) {
      failConnection(error, callback);
      return undefined;
    }
  }
}

/** Node's type of the callback wants a stream also when there is none. */
function failConnection(
  error: unknown,
  callback: ((error: Error | null, stream: Duplex) => void) | undefined,
): void {
  const failure = error instanceof Error ? error : new Error(String(error));
  if (callback !== undefined) Reflect.apply(callback, undefined, [failure]);
}
