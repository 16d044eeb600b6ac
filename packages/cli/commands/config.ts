/** `sluice config check`: tells whether a configuration file is right, before a program is started with it. */
import { SluiceError } from '@sluice/base/error';
import type { Command } from 'commander';
import { readSettingsFile } from '../config/load.ts';
import { AGENT_SETTINGS, SERVER_SETTINGS, STORE_SETTINGS } from '../config/settings.ts';
import { readClientTls, readServerTls } from '../config/tls.ts';
import { printLine } from '../output/terminal.ts';

const PROGRAMS = ['agent', 'server', 'store'] as const;
type Program = (typeof PROGRAMS)[number];

export function addConfigCommand(program: Command): void {
  const config = program.command('config').summary('work with configuration files');
  config
    .command('check')
    .summary('check a configuration file')
    .description('Reads a configuration file and says what is wrong with it, with its line.')
    .argument('<file>', 'the YAML file')
    .option('--for <program>', 'agent, server or store (default: from the file name, e.g. agent.yaml)')
    .action(async (file: string, options: { for?: string }) => {
      const kind = programOf(file, options.for);
      const settings = check(kind, file);
      await printLine(
        `${file}: a right configuration for 'sluice ${kind}' (${Object.keys(settings).length} settings)`,
      );
    })
    .exitOverride();
}

function check(kind: Program, file: string): object {
  switch (kind) {
    case 'agent': {
      const settings = readSettingsFile(AGENT_SETTINGS, file);
      readClientTls(settings);
      return settings;
    }
    case 'server': {
      const settings = readSettingsFile(SERVER_SETTINGS, file);
      readServerTls(settings);
      return settings;
    }
    case 'store':
      return readSettingsFile(STORE_SETTINGS, file);
    default:
      return kind satisfies never;
  }
}

function programOf(file: string, wanted: string | undefined): Program {
  const found =
    wanted === undefined
      ? PROGRAMS.find((name) => file.split('/').at(-1)?.includes(name))
      : PROGRAMS.find((name) => name === wanted);
  if (found === undefined) {
    throw new SluiceError('usage', `cannot tell for which program ${file} is`, {
      hint: 'Say --for agent, --for server or --for store.',
    });
  }
  return found;
}
