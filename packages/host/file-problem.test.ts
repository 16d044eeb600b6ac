/** What is said of files and directories that cannot be used: path, reason, and what to do. Being another user needs root. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkUsableFile, fileProblem } from './file-problem.ts';
import { makePrivateDirectory } from './private-directory.ts';

const NOBODY = 65_534;
let base: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'sluice-words-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('a directory where a file should be, and a file where a directory should be', () => {
  mkdirSync(path.join(base, 'queue.mdb'));
  expect(() => checkUsableFile('the queue', path.join(base, 'queue.mdb'))).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(/it is a directory/) }),
  );
  writeFileSync(path.join(base, 'file'), '');
  expect(() => makePrivateDirectory(path.join(base, 'file', 'below'))).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.stringMatching(/^Move the file away/) }),
  );
  expect(checkUsableFile('the queue', path.join(base, 'file'))).toBe(0);
  expect(checkUsableFile('the queue', path.join(base, 'none'))).toBeUndefined();
});

test('a full disk and a read-only file system are told as what they are', () => {
  const error = (code: string): Error => Object.assign(new Error(code), { code });
  expect(fileProblem('the queue', '/x', error('ENOSPC')).code).toBe('disk_full');
  const ofSqlite = Object.assign(new Error('database or disk is full'), {
    code: 'ERR_SQLITE_ERROR',
    errcode: 13,
  });
  expect(fileProblem('the lock of', '/x', ofSqlite)).toMatchObject({
    code: 'disk_full',
    hint: 'Free space on that disk.',
  });
  expect(fileProblem('the queue', '/x', error('EROFS'))).toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('read-only'),
    hint: expect.stringContaining('Mount it writable'),
  });
});

describe.skipIf(process.getuid?.() !== 0)('as another user', () => {
  test.each([
    ['a queue that only its owner may write', 'file', 0o400, /chmod u\+rwX .*queue\.mdb/],
    ['a queue of another user', 'foreign', 0o600, /chown -R 65534 .*queue\.mdb/],
    ['a parent that is not writable', 'parent', 0o555, /chmod u\+rwX/],
  ])('%s', (_what, kind, mode, hint) => {
    chownSync(base, NOBODY, NOBODY);
    chmodSync(base, 0o755);
    const file = path.join(base, 'queue.mdb');
    writeFileSync(file, 'x');
    if (kind !== 'foreign') chownSync(file, NOBODY, NOBODY);
    chmodSync(kind === 'parent' ? base : file, mode);
    const call =
      kind === 'parent'
        ? `(await import(${url('private-directory.ts')})).makePrivateDirectory(${JSON.stringify(path.join(base, 'new', 'er'))})`
        : `(await import(${url('file-problem.ts')})).checkUsableFile('the queue', ${JSON.stringify(file)})`;
    const script = `process.setgid(${NOBODY}); process.setuid(${NOBODY});
      try { ${call}; console.log('no error'); } catch (error) { console.log(error.code, error.hint); }`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(child.stdout, child.stderr).toMatch(/^config_invalid /);
    expect(child.stdout).toMatch(hint);
  });
});

function url(module: string): string {
  return JSON.stringify(new URL(`./${module}`, import.meta.url).href);
}
