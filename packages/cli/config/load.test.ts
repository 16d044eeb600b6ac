import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadSettings, MAX_CONFIG_FILE_BYTES, readSettingsFile } from './load.ts';
import { AGENT_SETTINGS, flagName, SERVER_SETTINGS } from './settings.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-config-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function configuration(text: string | Buffer): string {
  const file = path.join(directory, 'server.yaml');
  writeFileSync(file, text);
  return file;
}

describe('a configuration file', () => {
  test('gives checked values', () => {
    const file = configuration('id: s1\nlisten: "[::1]:4000"\npriorities: [1, 3]\nquotaBytes: 32MiB\n');
    expect(readSettingsFile(SERVER_SETTINGS, file)).toEqual({
      id: 's1',
      listen: { host: '::1', port: 4000 },
      priorities: [1, 3],
      quotaBytes: 32 * 1024 * 1024,
    });
  });

  test('may be empty, and lists may be written as one value', () => {
    expect(readSettingsFile(AGENT_SETTINGS, configuration(''))).toEqual({});
    expect(
      readSettingsFile(AGENT_SETTINGS, configuration('watch: /var/log/*.log\nserver: http://h:1\n')),
    ).toEqual({
      watch: ['/var/log/*.log'],
      server: ['http://h:1'],
    });
  });

  test.each([
    ['id: s1\nqouta: 1\n', /server\.yaml:2: unknown setting 'qouta'/],
    ['id: s1\n\nquotaBytes: 12 parsecs\n', /server\.yaml:3: quotaBytes: .*not a size/],
    ['quotaBytes: 1KiB\n', /server\.yaml:1: quotaBytes: is less than a full block/],
    ['priorities: 1,1\n', /priorities: names a priority twice/],
    ['priorities: 0\n', /priorities/],
    ['storeUrl: nonsense\n', /storeUrl: is not an http/],
    ['id: [a\n', /server\.yaml:\d+: /],
    ['- id\n', /is not a list of settings/],
    ['just text', /is not a list of settings/],
    [`id: ${'x'.repeat(129)}`, /longer than 128 bytes/],
  ])('%j is refused with its line', (text, message) => {
    const file = configuration(text);
    expect(() => readSettingsFile(SERVER_SETTINGS, file)).toThrowError(
      expect.objectContaining({
        code: 'config_invalid',
        message: expect.stringMatching(message),
        hint: expect.any(String),
      }),
    );
  });

  test('that cannot be read is told apart from one that is wrong', () => {
    expect(() => readSettingsFile(SERVER_SETTINGS, path.join(directory, 'none.yaml'))).toThrowError(
      expect.objectContaining({ code: 'config_unreadable', message: expect.stringContaining('ENOENT') }),
    );
    expect(() => readSettingsFile(SERVER_SETTINGS, directory)).toThrowError(
      expect.objectContaining({ code: 'config_unreadable', message: expect.stringContaining('EISDIR') }),
    );
    const large = configuration(Buffer.alloc(MAX_CONFIG_FILE_BYTES + 1, 35));
    expect(() => readSettingsFile(SERVER_SETTINGS, large)).toThrow(/is larger than/);
  });
});

describe('sources of settings', () => {
  test('a flag wins over the environment, the environment over the file', () => {
    const file = configuration('data: from-file\nid: from-file\nstoreUrl: http://file:1\n');
    const environment = { SLUICE_DATA: 'from-environment', SLUICE_STORE_URL: 'http://environment:1' };
    const settings = loadSettings(SERVER_SETTINGS, {
      file,
      environment,
      flags: { storeUrl: 'http://flag:1' },
    });
    expect(settings).toEqual({ id: 'from-file', data: 'from-environment', storeUrl: 'http://flag:1' });
  });

  test('a secret is no flag', () => {
    const flags = { token: '0123456789abcdef' };
    expect(loadSettings(AGENT_SETTINGS, { flags, environment: {} })).toEqual({});
    expect(loadSettings(AGENT_SETTINGS, { flags: {}, environment: { SLUICE_TOKEN: flags.token } })).toEqual(
      flags,
    );
  });

  test('a mistake names the flag or the variable', () => {
    expect(() => loadSettings(SERVER_SETTINGS, { flags: { quotaBytes: '1' }, environment: {} })).toThrow(
      /--quota-bytes: /,
    );
    expect(() => loadSettings(AGENT_SETTINGS, { flags: {}, environment: { SLUICE_TOKEN: 'short' } })).toThrow(
      /environment variable SLUICE_TOKEN: is shorter/,
    );
  });

  test('flags are named after their keys', () => {
    expect(flagName('quotaBytes')).toBe('--quota-bytes');
  });
});
