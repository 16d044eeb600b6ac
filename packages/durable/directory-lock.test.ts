import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOCK_FILE_NAME, lockDirectory } from './directory-lock.ts';

const moduleUrl = new URL('./directory-lock.ts', import.meta.url).href;

describe('lockDirectory', () => {
  it('lets nobody else in until it is released', () => {
    using directory = temporaryDirectory();
    const lock = lockDirectory(directory.path);
    expect(() => lockDirectory(directory.path)).toThrow(expect.objectContaining({ code: 'already_running' }));
    lock.release();
    lock.release();
    lockDirectory(directory.path).release();
  });

  it('is held against another process and free at once after that was killed', async () => {
    using directory = temporaryDirectory();
    const script = `
      const { lockDirectory } = await import(${JSON.stringify(moduleUrl)});
      lockDirectory(${JSON.stringify(directory.path)});
      process.stdout.write('held');
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      expect(() => lockDirectory(directory.path)).toThrow(
        expect.objectContaining({
          code: 'already_running',
          message: expect.stringContaining(`process ${child.pid} `),
        }),
      );
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    lockDirectory(directory.path).release();
  });

  it('closes its file to others, so that nobody else can hold it', () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, LOCK_FILE_NAME);
    writeFileSync(file, '');
    chmodSync(file, 0o644);
    chmodSync(directory.path, 0o755);
    lockDirectory(directory.path).release();
    expect([modeOf(directory.path), modeOf(file)]).toEqual(['700', '600']);
    rmSync(file);
    lockDirectory(directory.path).release();
    expect(modeOf(file)).toBe('600');
  });

  it('follows no link in the place of the file that names its holder', () => {
    using directory = temporaryDirectory();
    const victim = join(directory.path, 'victim');
    writeFileSync(victim, 'x');
    symlinkSync(victim, join(directory.path, 'lock.pid'));
    expect(() => lockDirectory(directory.path)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    expect(readFileSync(victim, 'utf8')).toBe('x');
  });
});

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
