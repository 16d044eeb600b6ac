/**
 * Main module of the store's own process, started by superviseStore(). Settings come as arguments, the user and the
 * password in the environment. It says `ready` when it serves and ends with its parent.
 */
import { parseArgs } from 'node:util';
import { endRequested, tellFailed, tellReady } from '@sluice/host/child-process';
import { usePrivateUmask } from '@sluice/host/private-directory';
import { pino } from 'pino';
import { DEFAULT_STORE_HOST, startStore } from './store.ts';

/** Environment of the store's process: what must not stand on a command line. */
export const USER_VARIABLE = 'SLUICE_STORE_USER';
export const PASSWORD_VARIABLE = 'SLUICE_STORE_PASSWORD';

async function main(): Promise<void> {
  usePrivateUmask();
  const ended = endRequested();
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      host: { type: 'string', default: DEFAULT_STORE_HOST },
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
    host: values.host,
    port: Number(values.port ?? 0),
    ...(values.memory === undefined ? {} : { memoryBytes: Number(values.memory) }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    logger,
  });
  tellReady({ url: store.url });
  await ended;
  await store.stop();
}

try {
  await main();
  process.exit(0);
} catch (error) {
  await tellFailed(error);
  process.exit(1);
}
