import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';

test('a defect ends the process, though its caller catches everything', () => {
  const program = `
    import { failFast } from ${JSON.stringify(path.join(import.meta.dirname, 'fail-fast.ts'))};
    const logger = { fatal: ({ err }, message) => process.stdout.write(message + ': ' + err.message + '\\n') };
    setInterval(() => undefined, 1000);
    const caller = async () => failFast(logger, new Error('broken'), 'the machine');
    caller().catch(() => undefined);
  `;
  const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  expect(ended.status).toBe(1);
  expect(ended.stdout).toContain('the machine failed');
  expect(ended.stdout).toContain('broken');
  expect(ended.stderr).toContain('Error: broken');
});
