import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makePrivateDirectory, writePrivateFile } from './private-directory.ts';

/** Any that is not ours. */
const FOREIGN_USER = 65_534;

/** Of a directory that was used before. */
const MARKED = { marks: ['lock'] };

let base: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'sluice-private-'));
});
afterEach(() => rmSync(base, { recursive: true }));

function modeOf(file: string): string {
  return (statSync(file).mode & 0o7777).toString(8);
}

/** A directory as an earlier version, or a person, left it. */
function openDirectory(name: string, files: readonly string[], mode = 0o755): string {
  const directory = path.join(base, name);
  mkdirSync(directory);
  for (const file of files) {
    writeFileSync(path.join(directory, file), 'x');
    chmodSync(path.join(directory, file), 0o644);
  }
  chmodSync(directory, mode);
  return directory;
}

describe('a private directory', () => {
  test.each([0o000, 0o022, 0o777])('is made 0700 with its parents under umask %o', (umask) => {
    const directory = path.join(base, 'a', 'b');
    const script = `process.umask(${umask});
      const { makePrivateDirectory } = await import(${JSON.stringify(new URL('./private-directory.ts', import.meta.url).href)});
      makePrivateDirectory(${JSON.stringify(path.join(base, 'a'))}); makePrivateDirectory(${JSON.stringify(directory)});`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(child.status, child.stderr).toBe(0);
    expect([modeOf(path.dirname(directory)), modeOf(directory)]).toEqual(['700', '700']);
  });

  test('that is open is closed, with the files in it, and not those behind links', () => {
    const other = path.join(base, 'elsewhere');
    writeFileSync(other, 'x');
    chmodSync(other, 0o644);
    const directory = openDirectory('data', ['queue.mdb', 'lock']);
    symlinkSync(other, path.join(directory, 'link'));
    makePrivateDirectory(directory, MARKED);
    expect(modeOf(directory)).toBe('700');
    expect([modeOf(path.join(directory, 'queue.mdb')), modeOf(path.join(directory, 'lock'))]).toEqual([
      '600',
      '600',
    ]);
    expect(modeOf(other)).toBe('644');
  });

  test.each([0o777, 0o775])('that others could write into (%o) is closed when all in it is ours', (mode) => {
    const directory = openDirectory('data', ['queue.mdb', 'lock'], mode);
    makePrivateDirectory(directory, MARKED);
    expect(modeOf(directory)).toBe('700');
  });

  test.each(['link', 'hard link'])('that others could write into is refused when a %s lies in it', (kind) => {
    const victim = path.join(base, 'victim');
    writeFileSync(victim, 'x');
    const directory = openDirectory('data', ['lock'], 0o777);
    const planted = path.join(directory, 'lock.pid');
    if (kind === 'link') symlinkSync(victim, planted);
    else linkSync(victim, planted);
    for (const _start of [1, 2])
      expect(() => makePrivateDirectory(directory, MARKED)).toThrow(
        expect.objectContaining({
          code: 'config_invalid',
          message: expect.stringMatching(/lock\.pid in it is a link/),
        }),
      );
    expect(readFileSync(victim, 'utf8')).toBe('x');
  });

  test.runIf(process.getuid?.() === 0)('of another user is refused, also as root and behind a link', () => {
    const directory = openDirectory('data', [], 0o700);
    chownSync(directory, FOREIGN_USER, FOREIGN_USER);
    expect(() => makePrivateDirectory(directory, MARKED)).toThrow(/belongs to another user/);
    const ours = openDirectory('ours', [], 0o700);
    const link = path.join(base, 'link');
    symlinkSync(ours, link);
    makePrivateDirectory(link, MARKED);
    lchownSync(link, FOREIGN_USER, FOREIGN_USER);
    expect(() => makePrivateDirectory(link, MARKED)).toThrow(/is a link of another user/);
    const foreignFile = openDirectory('mixed', ['lock', 'identity.key'], 0o777);
    chownSync(path.join(foreignFile, 'identity.key'), FOREIGN_USER, FOREIGN_USER);
    expect(() => makePrivateDirectory(foreignFile, MARKED)).toThrow(
      /identity\.key in it belongs to another user/,
    );
  });

  test('a link in the place of a file that is written is not followed', () => {
    const directory = openDirectory('data', ['lock'], 0o700);
    const victim = path.join(base, 'victim');
    writeFileSync(victim, 'x');
    symlinkSync(victim, path.join(directory, 'mark'));
    expect(() => writePrivateFile(path.join(directory, 'mark'), 'ours')).toThrow(/ELOOP/);
    expect(readFileSync(victim, 'utf8')).toBe('x');
  });

  test('that is open and has things of others in it is refused and left as it is', () => {
    const directory = openDirectory('home', ['letter.txt']);
    expect(() => makePrivateDirectory(directory, MARKED)).toThrow(/letter.txt/);
    expect([modeOf(directory), modeOf(path.join(directory, 'letter.txt'))]).toEqual(['755', '644']);
    // Closed by hand it may be used.
    chmodSync(directory, 0o700);
    makePrivateDirectory(directory, MARKED);
  });

  test.each(['lost+found', ''])('that is open and empty but for %j is closed', (name) => {
    const directory = openDirectory('mount', name === '' ? [] : [name]);
    makePrivateDirectory(directory, MARKED);
    expect(modeOf(directory)).toBe('700');
  });

  test('that users share is refused, also as root', () => {
    const directory = openDirectory('tmp', ['lock'], 0o1777);
    expect(() => makePrivateDirectory(directory, MARKED)).toThrow(/users share/);
    expect(modeOf(directory)).toBe('1777');
    expect(() => makePrivateDirectory('/')).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  test('that is a file, or lies below one, is refused with the reason', () => {
    const file = path.join(base, 'file');
    writeFileSync(file, '');
    for (const directory of [file, path.join(file, 'below')])
      expect(() => makePrivateDirectory(directory, MARKED)).toThrow(
        expect.objectContaining({ code: 'config_invalid', hint: expect.stringContaining('data directory') }),
      );
    expect(existsSync(file)).toBe(true);
  });
});
