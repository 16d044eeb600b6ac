import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockDirectory } from './directory-lock.ts';

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
});

function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
