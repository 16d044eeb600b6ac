/** `sluice server`: grants channels to agents, makes their logs durable, stores them, answers searches. */

import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import type { StoreChoice } from '@sluice/server/server-options';
import type { Command } from 'commander';
import { addSettingFlags } from '../config/flags.ts';
import { loadSettings } from '../config/load.ts';
import { flagName, SERVER_SETTINGS, type ServerSettings } from '../config/settings.ts';
import { readAuthorities, readServerTls } from '../config/tls.ts';
import { renewServerTls } from '../config/tls-renewal.ts';
import { computerName, createLogger, defaultDataDirectory, projectVersion, runUntilEnd } from '../program.ts';

const DEFAULT_UPLINK = { host: '127.0.0.1', port: 4620 };
const DEFAULT_API = { host: '127.0.0.1', port: 8080 };

/** Of which one may be given. */
const STORE_SETTINGS = ['storeUrl', 'storeData', 'storeListen'] as const;

export function addServerCommand(program: Command): void {
  const command = program
    .command('server')
    .summary('receive logs, store them, answer searches')
    .description(
      'Grants channels to agents, makes their logs durable, stores them in ClickHouse, and serves console and API.',
    )
    .option('--config <file>', 'YAML file with these settings')
    .action(async (flags: Record<string, unknown> & { config?: string }) => {
      const file = defined({ file: flags.config });
      await server(loadSettings(SERVER_SETTINGS, { flags, environment: process.env, ...file }));
    });
  addSettingFlags(command, SERVER_SETTINGS);
}

async function server(settings: Partial<ServerSettings>): Promise<void> {
  // Loaded here, not above: other commands start faster without it.
  const { startServer } = await import('@sluice/server/server');
  const logger = createLogger('server');
  const tls = readServerTls(settings);
  const running = await startServer({
    serverId: settings.id ?? computerName(),
    directory: settings.data ?? defaultDataDirectory('server'),
    uplink: settings.listen ?? DEFAULT_UPLINK,
    api: settings.apiListen ?? DEFAULT_API,
    ...defined({ apiHostNames: settings.apiHostName }),
    store: storeChoice(settings),
    consoleDirectory: path.resolve(import.meta.dirname, '..', '..', 'console', 'dist'),
    version: projectVersion(),
    logger,
    ...defined({
      priorities: settings.priorities,
      quotaBytes: settings.quotaBytes,
      grantLifetimeMs: settings.grantLifetime,
      onNotice: settings.onNotice,
      yieldMemoryMs: settings.yieldMemory,
      region: settings.region,
      priorityOffset: settings.priorityOffset,
      loadedOffset: settings.loadedOffset,
      ingestLimitBytesPerSecond: settings.ingestLimit,
      journalBytes: settings.journalBytes,
      tls,
      token: settings.token,
    }),
  });
  using _renewal =
    tls === undefined
      ? undefined
      : renewServerTls(settings, tls, (renewed) => running.renewTls(renewed), logger);
  await runUntilEnd(running, running.url, { url: running.url, uplinkPort: running.uplinkPort }, logger);
}

/** @throws SluiceError `usage` when more than one store is named */
function storeChoice(settings: Partial<ServerSettings>): StoreChoice {
  const { storeUrl, storeData, storeListen } = settings;
  const named = { storeUrl, storeData, storeListen };
  const given = STORE_SETTINGS.filter((key) => named[key] !== undefined).map(flagName);
  if (given.length > 1) {
    throw new SluiceError('usage', `${given.join(' and ')} are given together`, {
      hint: 'A server has one store: its own, or that of --store-url or --store-data.',
    });
  }
  const credentials = {
    ...defined({ user: settings.storeUser, password: settings.storePassword }),
  };
  if (storeData !== undefined)
    return { kind: 'directory', directory: path.resolve(storeData), ...credentials };
  if (storeUrl === undefined)
    return {
      kind: 'embedded',
      ...defined({ listen: storeListen }),
      ...credentials,
    };
  const tlsCa = readAuthorities('storeTlsCa', settings.storeTlsCa);
  return { kind: 'url', url: storeUrl, ...defined({ tlsCa }), ...credentials };
}
