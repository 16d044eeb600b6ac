/**
 * Keeps the store running in a process of its own: a fault of the engine takes down neither servers nor agents, and
 * the store comes back at the same address with what it had acknowledged.
 */
import path from 'node:path';
import { superviseChild } from '@sluice/host/child-supervisor';
import { pickPort } from '@sluice/host/pick-port';
import type { Logger } from 'pino';
import { DEFAULT_STORE_HOST, type StoreOptions } from './store.ts';

export interface SupervisedStore {
  /** Stays the same over restarts. */
  readonly url: string;
  /** Process id of the store that lives now. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Stops the store; when it resolves, no process is left. */
  stop(): Promise<void>;
  /** @param listener told each time that the store died and serves again */
  onRestart(listener: () => void): void;
}

/** As for startStore(); a port of 0 is chosen once and kept. */
export type SuperviseStoreOptions = Omit<StoreOptions, 'logger'> & { readonly logger: Logger };

/**
 * Starts the store's process and resolves when it serves.
 *
 * @throws SluiceError why it cannot start, as startStore() says it
 */
export async function superviseStore(options: SuperviseStoreOptions): Promise<SupervisedStore> {
  const host = options.host ?? DEFAULT_STORE_HOST;
  const port = options.port === 0 ? await pickPort(host, 0) : options.port;
  const listeners: (() => void)[] = [];
  let starts = 0;
  const child = await superviseChild({
    name: 'store',
    module: path.join(import.meta.dirname, 'store-process.ts'),
    arguments: [
      '--data',
      path.resolve(options.directory),
      '--host',
      host,
      '--port',
      String(port),
      ...(options.memoryBytes === undefined ? [] : ['--memory', String(options.memoryBytes)]),
    ],
    environment: {
      ...(options.user === undefined ? {} : { SLUICE_STORE_USER: options.user }),
      ...(options.password === undefined ? {} : { SLUICE_STORE_PASSWORD: options.password }),
    },
    onReady: () => {
      starts += 1;
      if (starts > 1) for (const listener of listeners) listener();
    },
    onDeath: (reason, restartInMs) => options.logger.error({ reason, restartInMs }, 'the store died'),
    onOutput: (text) => options.logger.info({ output: text.trimEnd() }, 'store'),
  });
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    get pid() {
      return child.pid;
    },
    get restarts() {
      return child.restarts;
    },
    stop: () => child.stop(),
    onRestart: (listener) => {
      listeners.push(listener);
    },
  };
}
