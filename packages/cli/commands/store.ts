/** `sluice store`: the embedded ClickHouse, served over ClickHouse's HTTP interface. */
import type { Command } from 'commander';
import { addSettingFlags } from '../config/flags.ts';
import { loadSettings } from '../config/load.ts';
import { STORE_SETTINGS, type StoreSettings } from '../config/settings.ts';
import { createLogger, defaultDataDirectory, runUntilEnd } from '../program.ts';

const DEFAULT_LISTEN = { host: '127.0.0.1', port: 8123 };

export function addStoreCommand(program: Command): void {
  const command = program
    .command('store')
    .summary('run the embedded ClickHouse')
    .description(
      "Runs ClickHouse in this process and serves the part of its HTTP interface that its client, Grafana's plugin and curl need.",
    )
    .option('--config <file>', 'YAML file with these settings')
    .action(async (flags: Record<string, unknown> & { config?: string }) => {
      const file = flags.config === undefined ? {} : { file: flags.config };
      await store(loadSettings(STORE_SETTINGS, { flags, environment: process.env, ...file }));
    });
  addSettingFlags(command, STORE_SETTINGS);
}

async function store(settings: Partial<StoreSettings>): Promise<void> {
  // Loaded here, not above: other commands start faster without it.
  const { startStore } = await import('@sluice/store/store');
  const logger = createLogger('store');
  const listen = settings.listen ?? DEFAULT_LISTEN;
  const running = await startStore({
    directory: settings.data ?? defaultDataDirectory('store'),
    host: listen.host,
    port: listen.port,
    logger,
    ...(settings.memoryBytes === undefined ? {} : { memoryBytes: settings.memoryBytes }),
    ...(settings.storeUser === undefined ? {} : { user: settings.storeUser }),
    ...(settings.storePassword === undefined ? {} : { password: settings.storePassword }),
  });
  await runUntilEnd(running, running.url, { url: running.url }, logger);
}
