/** `sluice store`: the embedded ClickHouse, served over ClickHouse's HTTP interface. */
import { defined } from '@sluice/base/defined';
import type { Command } from 'commander';
import { addSettingFlags } from '../config/flags.ts';
import { loadSettings } from '../config/load.ts';
import { STORE_SETTINGS, type StoreSettings } from '../config/settings.ts';
import { readCertificate } from '../config/tls.ts';
import { createLogger, defaultDataDirectory, runUntilEnd } from '../program.ts';

export function addStoreCommand(program: Command): void {
  const command = program
    .command('store')
    .summary('run the embedded ClickHouse')
    .description(
      'Runs ClickHouse in this process and serves it to the servers on this computer, on a Unix socket in its data directory.',
    )
    .option('--config <file>', 'YAML file with these settings')
    .action(async (flags: Record<string, unknown> & { config?: string }) => {
      const file = defined({ file: flags.config });
      await store(loadSettings(STORE_SETTINGS, { flags, environment: process.env, ...file }));
    });
  addSettingFlags(command, STORE_SETTINGS);
}

async function store(settings: Partial<StoreSettings>): Promise<void> {
  // Loaded here, not above: other commands start faster without it.
  const { startStore } = await import('@sluice/store/store');
  const logger = createLogger('store');
  const tls = readCertificate(settings);
  const running = await startStore({
    directory: settings.data ?? defaultDataDirectory('store'),
    ...defined({ listen: settings.listen, tls }),
    logger,
    ...defined({
      memoryBytes: settings.memoryBytes,
      user: settings.storeUser,
      password: settings.storePassword,
    }),
  });
  await runUntilEnd(running, running.address, { address: running.address }, logger);
}
