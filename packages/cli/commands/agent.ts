/** `sluice agent`: follows logs and sends them to servers. */
import { defined } from '@sluice/base/defined';
import type { Command } from 'commander';
import { addSettingFlags } from '../config/flags.ts';
import { loadSettings } from '../config/load.ts';
import { AGENT_SETTINGS, type AgentSettings } from '../config/settings.ts';
import { readClientTls } from '../config/tls.ts';
import { computerName, createLogger, defaultDataDirectory, projectVersion, runUntilEnd } from '../program.ts';

const DEFAULT_SERVER = 'http://127.0.0.1:4620';

export function addAgentCommand(program: Command): void {
  const command = program
    .command('agent')
    .summary('follow logs and send them to servers')
    .description('Follows log files, and sends them to servers as these grant it, the most urgent first.')
    .option('--config <file>', 'YAML file with these settings')
    .action(async (flags: Record<string, unknown> & { config?: string }) => {
      const file = defined({ file: flags.config });
      await agent(loadSettings(AGENT_SETTINGS, { flags, environment: process.env, ...file }));
    });
  addSettingFlags(command, AGENT_SETTINGS);
}

async function agent(settings: Partial<AgentSettings>): Promise<void> {
  // Loaded here, not above: other commands start faster without it.
  const { startAgent } = await import('@sluice/agent/agent');
  const logger = createLogger('agent');
  // What cannot be used is said now; a certificate that is renewed later is read with the next connection.
  const hasTls = readClientTls(settings) !== undefined;
  const running = await startAgent({
    directory: settings.data ?? defaultDataDirectory('agent'),
    servers: settings.server ?? [DEFAULT_SERVER],
    fromStart: settings.fromStart ?? false,
    hostName: settings.hostName ?? computerName(),
    version: projectVersion(),
    logger,
    ...defined({ agentId: settings.id, watch: settings.watch, exclude: settings.exclude }),
    urgencyRules: settings.urgency === 'off' ? [{ urgency: 'normal' }] : [],
    ...defined({
      region: settings.region,
      inDoubtTimeoutMs: settings.inDoubtTimeout,
      queueBytes: settings.queueBytes,
    }),
    ...(hasTls ? { tls: () => readClientTls(settings) } : {}),
    ...defined({ token: settings.token }),
  });
  await runUntilEnd(running, running.agentId, { agentId: running.agentId }, logger);
}
