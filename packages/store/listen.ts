/**
 * Where a store listens: on a Unix socket in its data directory, which nobody but its user can reach; on a port of
 * loopback, where each request shows the secret of the data directory; or, with TLS and a password, on any address.
 */
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';
import { PRIVATE_FILE_MODE } from '@sluice/host/private-directory';
import type { Logger } from 'pino';
import { SOCKET_FILE, type StoreEndpoint } from './endpoint.ts';

/** Host and port; a port of 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `sun_path` with its final NUL has 108 bytes on Linux, 104 on macOS and the BSDs. A longer path would be cut, not refused. */
export const MAX_SOCKET_PATH_BYTES: number = process.platform === 'linux' ? 107 : 103;
/** Errors of a file system that has no sockets, such as some network file systems. */
const NO_SOCKETS: ReadonlySet<string> = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);
const FALLBACK: ListenAddress = { host: '127.0.0.1', port: 0 };

/**
 * Refuses to listen where strangers could ask.
 *
 * @throws SluiceError `config_invalid` for an address beyond loopback without TLS and password
 */
export function checkStoreExposure(host: string, hasTls: boolean, password: string | undefined): void {
  const hasPassword = password !== undefined && password !== '';
  if (isLoopbackHost(host) || (hasTls && hasPassword)) return;
  const missing = [hasTls ? '' : 'TLS', hasPassword ? '' : 'a password'].filter((word) => word !== '');
  throw new SluiceError(
    'config_invalid',
    `the store may not listen on ${host} without ${missing.join(' and ')}`,
    {
      hint: 'Run sluice store with --tls-cert, --tls-key and a password (SLUICE_STORE_PASSWORD), or listen on 127.0.0.1.',
    },
  );
}

/**
 * Listens on the address, or, without one, on the socket in the directory. A directory that can have no socket (its path
 * is too long, or its file system has none) gets a port on loopback instead, and the log says why.
 *
 * @throws SluiceError `address_in_use`, `config_invalid`
 */
export async function listenStore(
  server: Server,
  options: {
    readonly directory: string;
    readonly listen: ListenAddress | undefined;
    readonly tls: boolean;
    readonly logger: Logger;
  },
): Promise<StoreEndpoint> {
  const { directory, listen, tls, logger } = options;
  if (listen !== undefined) return await listenOnPort(server, listen, tls);
  const socket = path.join(directory, SOCKET_FILE);
  const reason = await listenOnSocket(server, socket);
  if (reason === undefined) return { kind: 'socket', path: socket };
  logger.warn(
    `the store cannot have its socket at ${socket}: ${reason}. It listens on loopback instead, and wants its secret.`,
  );
  return await listenOnPort(server, FALLBACK, tls);
}

/** @returns why there can be no socket; undefined when there is one. @throws SluiceError `config_invalid` */
async function listenOnSocket(server: Server, socket: string): Promise<string | undefined> {
  const bytes = Buffer.byteLength(socket);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    return `its path has ${bytes} bytes, of ${MAX_SOCKET_PATH_BYTES} that a socket's may have`;
  try {
    // Left by a store that was killed: whoever holds the directory's lock is the only one.
    rmSync(socket, { force: true });
    server.listen({ path: socket });
    await once(server, 'listening');
    chmodSync(socket, PRIVATE_FILE_MODE);
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && NO_SOCKETS.has(String(error.code)))
      return `the file system has no sockets (${String(error.code)})`;
    throw new SluiceError('config_invalid', `the store cannot listen on ${socket}: ${String(error)}`, {
      cause: error,
      hint: 'Check that the data directory can be written, or give --store-listen 127.0.0.1:PORT.',
    });
  }
}

async function listenOnPort(server: Server, address: ListenAddress, tls: boolean): Promise<StoreEndpoint> {
  const { host, port } = address;
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new SluiceError('address_in_use', `${host}:${port} is taken`, {
        cause: error,
        hint: 'Choose another port, or stop the program that listens there.',
      });
    throw new SluiceError('config_invalid', `cannot listen on ${host}:${port}: ${String(error)}`, {
      cause: error,
      hint: 'Give an address of this computer and a port that this user may use.',
    });
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string')
    throw new SluiceError('internal', 'no port after listening');
  return { kind: 'port', host, port: bound.port, tls };
}
