/**
 * A running store in this process: the lock on its data directory, the engine and the HTTP interface before it.
 *
 * Layout of the data directory: `lock`, `engine/` (the engine's own), `incoming/` (bodies of inserts while they are
 * read; emptied at the start, since what lies there was never acknowledged), and what endpoint.ts names.
 *
 * Invariant: one store per data directory, and one per process (the engine's limit).
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import path from 'node:path';
import { messageOf, SluiceError } from '@sluice/base/error';
import { lockDirectory } from '@sluice/durable/directory-lock';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import type { Logger } from 'pino';
import { endpointText, ensureSecret, type StoreEndpoint, writeEndpoint } from './endpoint.ts';
import { Engine } from './engine.ts';
import { createStoreServer, type StoreTls } from './http-server.ts';
import { DEFAULT_MEMORY_BYTES, MIN_MEMORY_BYTES, THREAD_POOL_SIZE } from './limits.ts';
import { checkStoreExposure, type ListenAddress, listenStore } from './listen.ts';
import { SERVER_RULES, type StoreRules } from './statement.ts';

export interface StoreOptions {
  /** Data directory; created when missing. */
  readonly directory: string;
  /** Default: a Unix socket in the directory, or, where there can be none, a port of loopback. */
  readonly listen?: ListenAddress;
  /** PEM; needed, with a password, beyond loopback. */
  readonly tls?: StoreTls;
  readonly user?: string;
  /** What requests must show. Default: on a port the secret of the directory, on the socket nothing. */
  readonly password?: string;
  /** What the engine may take in total. */
  readonly memoryBytes?: number;
  /** What it takes. Default: what a Sluice server asks for. */
  readonly rules?: StoreRules;
  readonly logger: Logger;
}

export interface Store {
  /** For people: `unix:/path`, or a URL. Programs find the store by its directory. */
  readonly address: string;
  /** Takes no more requests, lets running ones end (kills them when they take too long), closes the engine. */
  stop(): Promise<void>;
}

const DEFAULT_STORE_USER = 'default';

/**
 * Starts the store.
 *
 * @throws SluiceError `already_running` when another process has the directory, `address_in_use`, `config_invalid`
 *   for an address beyond loopback without TLS and password, `store_failed` when
 *   the engine cannot open its data, `usage` for limits that make no sense
 */
export async function startStore(options: StoreOptions): Promise<Store> {
  if (options.listen !== undefined)
    checkStoreExposure(options.listen.host, options.tls !== undefined, options.password);
  const memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY_BYTES;
  if (memoryBytes < MIN_MEMORY_BYTES)
    throw new SluiceError('usage', `the store cannot work with ${memoryBytes} bytes of memory`, {
      hint: `Give it at least ${MIN_MEMORY_BYTES} bytes.`,
    });
  // Read once, when the first task goes to libuv's pool; the store's process does nothing there before.
  process.env.UV_THREADPOOL_SIZE ??= String(THREAD_POOL_SIZE);
  const directory = path.resolve(options.directory);
  const lock = lockDirectory(directory, ['engine']);
  let engine: Engine | undefined;
  try {
    const incomingDirectory = path.join(directory, 'incoming');
    rmSync(incomingDirectory, { recursive: true, force: true });
    makePrivateDirectory(incomingDirectory);
    makePrivateDirectory(path.join(directory, 'engine'));
    engine = openEngine(path.join(directory, 'engine'), memoryBytes);
    const secret = ensureSecret(directory);
    const { user = DEFAULT_STORE_USER, password, listen, tls, logger } = options;
    let endpoint: StoreEndpoint | undefined;
    const server = createStoreServer({
      engine,
      rules: options.rules ?? SERVER_RULES,
      endpoint: () => endpoint,
      credentials: ({ kind }) =>
        password === undefined && kind === 'socket' ? undefined : { user, password: password ?? secret },
      tls,
      incomingDirectory,
      onFailure: ({ exceptionCode, message }, asker) => logger.warn({ exceptionCode, asker }, message),
    });
    endpoint = await listenStore(server, { directory, listen, tls: tls !== undefined, logger });
    writeEndpoint(directory, endpoint);
    return new RunningStore(endpointText(endpoint), server, engine, lock);
  } catch (error) {
    await engine?.close();
    lock.release();
    throw error;
  }
}

class RunningStore implements Store {
  readonly address: string;
  private readonly server: Server;
  private readonly engine: Engine;
  private readonly lock: { release(): void };
  private stopping: Promise<void> | undefined;

  constructor(address: string, server: Server, engine: Engine, lock: { release(): void }) {
    this.address = address;
    this.server = server;
    this.engine = engine;
    this.lock = lock;
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopOnce();
    return this.stopping;
  }

  private async stopOnce(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeIdleConnections();
    await this.engine.close();
    this.server.closeAllConnections();
    await closed;
    this.lock.release();
  }
}

function openEngine(directory: string, memoryBytes: number): Engine {
  try {
    return new Engine({ directory, memoryBytes });
  } catch (error) {
    const reason = messageOf(error);
    throw new SluiceError('store_failed', `the engine cannot open ${directory}: ${reason}`, {
      cause: error,
      hint: 'Check that the disk has room and that the directory was written by this or an older version.',
    });
  }
}
