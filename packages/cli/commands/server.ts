/** `sluice server`: grants channels to agents, makes their logs durable, stores them, answers searches. */
import path from 'node:path';
import type { Command } from 'commander';
import { addSettingFlags } from '../config/flags.ts';
import { loadSettings } from '../config/load.ts';
import { SERVER_SETTINGS, type ServerSettings } from '../config/settings.ts';
import { readServerTls } from '../config/tls.ts';
import { renewServerTls } from '../config/tls-renewal.ts';
import { computerName, createLogger, defaultDataDirectory, projectVersion, runUntilEnd } from '../program.ts';

const DEFAULT_UPLINK = { host: '127.0.0.1', port: 4620 };
const DEFAULT_API = { host: '127.0.0.1', port: 8080 };
const DEFAULT_STORE = { host: '127.0.0.1', port: 8123 };

export function addServerCommand(program: Command): void {
  const command = program
    .command('server')
    .summary('receive logs, store them, answer searches')
    .description(
      'Grants channels to agents, makes their logs durable, stores them in ClickHouse, and serves console and API.',
    )
    .option('--config <file>', 'YAML file with these settings')
    .action(async (flags: Record<string, unknown> & { config?: string }) => {
      const file = flags.config === undefined ? {} : { file: flags.config };
      await server(loadSettings(SERVER_SETTINGS, { flags, environment: process.env, ...file }));
    });
  addSettingFlags(command, SERVER_SETTINGS);
}

async function server(settings: Partial<ServerSettings>): Promise<void> {
  // Loaded here, not above: other commands start faster without it.
  const { startServer } = await import('@sluice/server/server');
  const logger = createLogger('server');
  const tls = readServerTls(settings);
  const credentials = {
    ...(settings.storeUser === undefined ? {} : { user: settings.storeUser }),
    ...(settings.storePassword === undefined ? {} : { password: settings.storePassword }),
  };
  const running = await startServer({
    serverId: settings.id ?? computerName(),
    directory: settings.data ?? defaultDataDirectory('server'),
    uplink: settings.listen ?? DEFAULT_UPLINK,
    api: settings.apiListen ?? DEFAULT_API,
    ...(settings.apiHostName === undefined ? {} : { apiHostNames: settings.apiHostName }),
    store:
      settings.storeUrl === undefined
        ? { kind: 'embedded', listen: settings.storeListen ?? DEFAULT_STORE, ...credentials }
        : { kind: 'url', url: settings.storeUrl, ...credentials },
    consoleDirectory: path.resolve(import.meta.dirname, '..', '..', 'console', 'dist'),
    version: projectVersion(),
    logger,
    ...(settings.priorities === undefined ? {} : { priorities: settings.priorities }),
    ...(settings.quotaBytes === undefined ? {} : { quotaBytes: settings.quotaBytes }),
    ...(settings.grantLifetime === undefined ? {} : { grantLifetimeMs: settings.grantLifetime }),
    ...(settings.onNotice === undefined ? {} : { onNotice: settings.onNotice }),
    ...(settings.yieldMemory === undefined ? {} : { yieldMemoryMs: settings.yieldMemory }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(settings.priorityOffset === undefined ? {} : { priorityOffset: settings.priorityOffset }),
    ...(settings.loadedOffset === undefined ? {} : { loadedOffset: settings.loadedOffset }),
    ...(settings.ingestLimit === undefined ? {} : { ingestLimitBytesPerSecond: settings.ingestLimit }),
    ...(settings.journalBytes === undefined ? {} : { journalBytes: settings.journalBytes }),
    ...(tls === undefined ? {} : { tls }),
    ...(settings.token === undefined ? {} : { token: settings.token }),
  });
  using _renewal =
    tls === undefined
      ? undefined
      : renewServerTls(settings, tls, (renewed) => running.renewTls(renewed), logger);
  await runUntilEnd(running, running.url, { url: running.url, uplinkPort: running.uplinkPort }, logger);
}
