/** Turns the table of settings into the options of a command. */
import { type Command, Option } from 'commander';
import { flagName, type SettingsTable } from './settings.ts';

/** Adds a flag for each setting that may be one, and tells in the help which come from file or environment only. */
export function addSettingFlags<T extends object>(command: Command, table: SettingsTable<T>): void {
  const hidden: string[] = [];
  for (const [key, setting] of settingEntries(table)) {
    if (setting.fileOrEnvironmentOnly === true) {
      hidden.push(`  ${key} (environment: ${setting.environment ?? 'none'}): ${setting.help}`);
      continue;
    }
    const placeholder = setting.placeholder === undefined ? '' : ` <${setting.placeholder}>`;
    const environment = setting.environment === undefined ? '' : ` [${setting.environment}]`;
    const option = new Option(`${flagName(key)}${placeholder}`, `${setting.help}${environment}`);
    if (setting.list === true) {
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    }
    command.addOption(option);
  }
  if (hidden.length > 0) {
    command.addHelpText(
      'after',
      `\nOnly in the configuration file or the environment:\n${hidden.join('\n')}`,
    );
  }
}

interface FlagFacts {
  readonly placeholder?: string;
  readonly help: string;
  readonly list?: boolean;
  readonly fileOrEnvironmentOnly?: boolean;
  readonly environment?: string;
}

/** The entries without their value types, which the flags do not need. */
function settingEntries<T extends object>(table: SettingsTable<T>): [string, FlagFacts][] {
  return Object.entries<FlagFacts>(table);
}
