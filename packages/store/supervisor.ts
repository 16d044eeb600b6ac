/**
 * Keeps the store running in a process of its own: a fault of the engine takes down neither servers nor agents, and
 * the store comes back with what it had acknowledged.
 */

import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { superviseChild } from '@sluice/host/child-supervisor';
import { pickPort } from '@sluice/host/pick-port';
import type { Logger } from 'pino';
import { checkStoreExposure } from './listen.ts';
import type { StoreOptions } from './store.ts';

export interface SupervisedStore {
  /** By which clients find it, also after a restart. */
  readonly directory: string;
  /** Process id of the store that lives now. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Stops the store; when it resolves, no process is left. */
  stop(): Promise<void>;
  /** @param listener told each time that the store died and serves again */
  onRestart(listener: () => void): void;
}

/** As for startStore(), on loopback only; a port of 0 is chosen once and kept. */
export type SuperviseStoreOptions = Omit<StoreOptions, 'rules' | 'tls'> & {
  /** Main module of the process; default the store's own. */
  readonly module?: string;
  readonly logger: Logger;
};

const STORE_MODULE: string = path.join(import.meta.dirname, 'store-process.ts');

/**
 * Starts the store's process and resolves when it serves.
 *
 * @throws SluiceError why it cannot start, as startStore() says it
 */
export async function superviseStore(options: SuperviseStoreOptions): Promise<SupervisedStore> {
  const { listen } = options;
  if (listen !== undefined) checkStoreExposure(listen.host, false, options.password);
  const port = listen?.port === 0 ? await pickPort(listen.host, 0) : listen?.port;
  const directory = path.resolve(options.directory);
  const listeners: (() => void)[] = [];
  let starts = 0;
  const child = await superviseChild({
    name: 'store',
    module: options.module ?? STORE_MODULE,
    arguments: [
      '--data',
      directory,
      ...(listen === undefined ? [] : ['--host', listen.host, '--port', String(port)]),
      ...(options.memoryBytes === undefined ? [] : ['--memory', String(options.memoryBytes)]),
    ],
    environment: {
      ...defined({ SLUICE_STORE_USER: options.user, SLUICE_STORE_PASSWORD: options.password }),
    },
    onReady: () => {
      starts += 1;
      if (starts > 1) for (const listener of listeners) listener();
    },
    onDeath: (reason, restartInMs) => options.logger.error({ reason, restartInMs }, 'the store died'),
    onOutput: (text) => options.logger.info({ output: text.trimEnd() }, 'store'),
  });
  return {
    directory,
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
