import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, test } from 'vitest';

test('a program whose log nobody reads any more ends all the same', async () => {
  const module = JSON.stringify(path.join(import.meta.dirname, 'program.ts'));
  const source = `import { createLogger } from ${module};
    const logger = createLogger('it');
    process.stdin.once('data', () => { for (const count of [1, 2]) logger.warn({ count }, 'nobody reads this'); process.exit(0); });
    process.stdout.write('started');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  try {
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.stderr.destroy();
    await once(child.stderr, 'close');
    child.stdin.write('now');
    expect(await ended).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
