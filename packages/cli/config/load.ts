/**
 * Reads the settings of one program from flags, environment and a YAML file, by the table in settings.ts.
 */
import { readFileSync } from 'node:fs';
import { SluiceError } from '@sluice/base/error';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { flagName, type SettingsTable } from './settings.ts';

/** A configuration file larger than this is a mistake (a log file given as configuration, say). */
export const MAX_CONFIG_FILE_BYTES: number = 1024 * 1024;

/** Where values may come from, strongest first: flags, environment, file. */
export interface SettingsSources {
  /** Values by key, as the command line gave them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file?: string;
}

/**
 * @returns the settings that were given, checked; absent ones are left to the program's defaults
 * @throws SluiceError `config_unreadable`, `config_invalid` (naming file and line) or `usage` (naming the flag)
 */
export function loadSettings<T extends object>(
  table: SettingsTable<T>,
  sources: SettingsSources,
): Partial<T> {
  const settings: Partial<T> = sources.file === undefined ? {} : readSettingsFile(table, sources.file);
  for (const key of keysOf(table)) {
    const setting = table[key];
    const variable = setting.environment;
    const fromEnvironment = variable === undefined ? undefined : sources.environment[variable];
    const name = String(key);
    const fromFlags = setting.fileOrEnvironmentOnly === true ? undefined : sources.flags[name];
    const value = fromFlags ?? fromEnvironment;
    if (value === undefined) continue;
    const result = setting.schema.safeParse(value);
    const where = fromFlags === undefined ? `environment variable ${variable}` : flagName(name);
    if (!result.success) {
      throw new SluiceError('usage', `${where}: ${issueText(result.error.issues)}`, {
        hint: `${setting.help}.`,
      });
    }
    settings[key] = result.data;
  }
  return settings;
}

/**
 * Checks a whole file and names the first thing that is wrong with its line.
 *
 * @throws SluiceError `config_unreadable` or `config_invalid`
 */
export function readSettingsFile<T extends object>(table: SettingsTable<T>, file: string): Partial<T> {
  const lines = new LineCounter();
  const document = parseDocument(readConfigText(file), { lineCounter: lines });
  const at = (offset: number | undefined): string =>
    offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
  const syntaxError = document.errors[0];
  if (syntaxError !== undefined) {
    const [firstLine = ''] = syntaxError.message.split('\n');
    throw new SluiceError('config_invalid', `${at(syntaxError.pos[0])}: ${firstLine}`, {
      hint: 'The file must be YAML.',
    });
  }
  const root = document.contents;
  if (root === null) return {};
  if (!isMap(root)) {
    throw new SluiceError('config_invalid', `${file}: is not a list of settings`, {
      hint: `Write 'name: value' lines; known names: ${keysOf(table).join(', ')}.`,
    });
  }
  const settings: Partial<T> = {};
  for (const item of root.items) {
    const name = isScalar(item.key) ? String(item.key.value) : '';
    const offset = isScalar(item.key) ? item.key.range?.[0] : undefined;
    const key = keysOf(table).find((known) => known === name);
    if (key === undefined) {
      throw new SluiceError('config_invalid', `${at(offset)}: unknown setting '${name}'`, {
        hint: `Known settings: ${keysOf(table).join(', ')}.`,
      });
    }
    const value: unknown = document.get(name, false);
    const plain: unknown = isCollection(value) ? value.toJSON() : value;
    const result = table[key].schema.safeParse(plain);
    if (!result.success) {
      throw new SluiceError('config_invalid', `${at(offset)}: ${name}: ${issueText(result.error.issues)}`, {
        hint: `${table[key].help}.`,
      });
    }
    settings[key] = result.data;
  }
  return settings;
}

function readConfigText(file: string): string {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new SluiceError('config_unreadable', `cannot read configuration file ${file} (${reason})`, {
      cause: error,
      hint: 'Check the path and the permissions of the file.',
    });
  }
  if (content.length > MAX_CONFIG_FILE_BYTES) {
    throw new SluiceError('config_invalid', `${file}: is larger than ${MAX_CONFIG_FILE_BYTES} bytes`, {
      hint: 'Is this a configuration file?',
    });
  }
  return content.toString('utf8');
}

function isCollection(value: unknown): value is { toJSON(): unknown } {
  return (
    typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
  );
}

function issueText(issues: readonly { message: string; code?: string; errors?: unknown }[]): string {
  const first = issues[0];
  return first === undefined ? 'is not valid' : flattenIssue(first);
}

/** A failed union reports one list of issues per member; the deepest message of the last member says most. */
function flattenIssue(issue: { message: string; code?: string; errors?: unknown }): string {
  if (issue.code !== 'invalid_union' || !Array.isArray(issue.errors)) return issue.message;
  const lists: unknown[] = issue.errors;
  for (const list of lists) {
    if (!Array.isArray(list)) continue;
    for (const inner of list) {
      if (isIssue(inner) && inner.code !== 'invalid_type') return flattenIssue(inner);
    }
  }
  return 'is of the wrong type';
}

function isIssue(value: unknown): value is { message: string; code?: string; errors?: unknown } {
  return (
    typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
  );
}

function keysOf<T extends object>(table: SettingsTable<T>): (keyof T & string)[] {
  // Object.keys forgets the key type; the table has exactly the keys of T by its type.
  return Object.keys(table) as (keyof T & string)[];
}
