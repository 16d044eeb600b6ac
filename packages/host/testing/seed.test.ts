import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drawSeed } from './seed.ts';

const PROJECT = path.join(import.meta.dirname, '..', '..', '..');

test.runIf(process.env.SLUICE_SEED === '-12345')('properties draw from the seed that is given', () => {
  expect(drawSeed()).toBe(-12345);
  expect(fc.readConfigureGlobal().seed).toBe(-12345);
  expect(fc.sample(fc.integer(), 3)).toEqual(fc.sample(fc.integer(), { seed: -12345, numRuns: 3 }));
});

test.skipIf(process.env.SLUICE_SEED !== undefined)('the seed in SLUICE_SEED reaches all chance', async () => {
  const vitest = path.join(PROJECT, 'node_modules', '.bin', 'vitest');
  const { stdout } = await promisify(execFile)(
    vitest,
    ['run', '--reporter=json', 'packages/host/testing/seed.test.ts'],
    { cwd: PROJECT, env: { ...process.env, SLUICE_SEED: '-12345' } },
  );
  expect(JSON.parse(stdout)).toMatchObject({ numPassedTests: 1, numFailedTests: 0 });
});
