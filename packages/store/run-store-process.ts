/**
 * The store's own process: settings come as arguments, the user and the password in the environment. It says `ready` when
 * it serves and ends with its parent.
 */

import { parseArgs } from 'node:util';
import { defined } from '@sluice/base/defined';
import { endRequested, tellFailed, tellReady } from '@sluice/host/child-process';
import { usePrivateUmask } from '@sluice/host/private-directory';
import { pino } from 'pino';
import type { StoreRules } from './statement.ts';
import { startStore } from './store.ts';

/** Environment of the store's process: what must not stand on a command line. */
const USER_VARIABLE = 'SLUICE_STORE_USER';
const PASSWORD_VARIABLE = 'SLUICE_STORE_PASSWORD';

/** @param rules what the store takes; default what a Sluice server asks for */
export async function runStoreProcess(rules?: StoreRules): Promise<void> {
  try {
    await serveUntilEnd(rules);
    process.exit(0);
  } catch (error) {
    await tellFailed(error);
    process.exit(1);
  }
}

async function serveUntilEnd(rules: StoreRules | undefined): Promise<void> {
  usePrivateUmask();
  const ended = endRequested();
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      memory: { type: 'string' },
    },
  });
  const user = process.env[USER_VARIABLE];
  const password = process.env[PASSWORD_VARIABLE];
  const logger = pino({ name: 'sluice-store' }, pino.destination({ dest: 2, sync: true }));
  // The parent may end before its pipes are read; there is nobody left to tell.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const store = await startStore({
    directory: values.data ?? 'store',
    ...(values.host === undefined ? {} : { listen: { host: values.host, port: Number(values.port ?? 0) } }),
    ...defined({ memoryBytes: values.memory === undefined ? undefined : Number(values.memory) }),
    ...defined({ user, password, rules }),
    logger,
  });
  tellReady({ address: store.address });
  await ended;
  await store.stop();
}
