/**
 * A running store in this process: the lock on its data directory, the engine and the HTTP interface before it.
 *
 * Layout of the data directory: `lock`, `engine/` (the engine's own), `incoming/` (bodies of inserts while they are
 * read; emptied at the start, since what lies there was never acknowledged).
 *
 * Invariant: one store per data directory, and one per process (the engine's limit).
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import path from 'node:path';
import { lockDirectory } from '@sluice/host/directory-lock';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import { SluiceError } from '@sluice/protocol/error';
import type { Logger } from 'pino';
import { Engine } from './engine.ts';
import { createStoreServer } from './http-server.ts';
import { DEFAULT_MEMORY_BYTES, MIN_MEMORY_BYTES, THREAD_POOL_SIZE } from './limits.ts';

export interface StoreOptions {
  /** Data directory; created when missing. */
  readonly directory: string;
  /** Loopback unless said otherwise: whoever reaches the port and knows the password may do everything. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** What the engine may take in total. */
  readonly memoryBytes?: number;
  readonly logger: Logger;
}

export interface Store {
  readonly url: string;
  /** Takes no more requests, lets running ones end (kills them when they take too long), closes the engine. */
  stop(): Promise<void>;
}

export const DEFAULT_STORE_HOST = '127.0.0.1';
export const DEFAULT_STORE_USER = 'default';

/**
 * Starts the store.
 *
 * @throws SluiceError `already_running` when another process has the directory, `address_in_use`, `store_failed` when
 *   the engine cannot open its data, `usage` for limits that make no sense
 */
export async function startStore(options: StoreOptions): Promise<Store> {
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
    const server = createStoreServer({
      engine,
      credentials: { user: options.user ?? DEFAULT_STORE_USER, password: options.password ?? '' },
      incomingDirectory,
      onFailure: (error) => options.logger.warn({ exceptionCode: error.exceptionCode }, error.message),
    });
    const url = await listen(server, options.host ?? DEFAULT_STORE_HOST, options.port);
    return new RunningStore(url, server, engine, lock);
  } catch (error) {
    await engine?.close();
    lock.release();
    throw error;
  }
}

class RunningStore implements Store {
  readonly url: string;
  private readonly server: Server;
  private readonly engine: Engine;
  private readonly lock: { release(): void };
  private stopping: Promise<void> | undefined;

  constructor(url: string, server: Server, engine: Engine, lock: { release(): void }) {
    this.url = url;
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
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('store_failed', `the engine cannot open ${directory}: ${reason}`, {
      cause: error,
      hint: 'Check that the disk has room and that the directory was written by this or an older version.',
    });
  }
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new SluiceError('address_in_use', `${host}:${port} is taken`, {
        cause: error,
        hint: 'Choose another port, or stop the program that listens there.',
      });
    throw new SluiceError('internal', `cannot listen on ${host}:${port}`, { cause: error });
  }
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new SluiceError('internal', 'no port after listening');
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}
