/** Habits that no other tool holds. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT: string = path.join(import.meta.dirname, '..');
const UNSEEDED = /\bMath\.random\(|\brandom(?:Bytes|Int|Fill|FillSync)\(/;
/** Where the one seed of a test is drawn, and what names the calls to look for them. */
const EXCEPTIONS: readonly string[] = ['packages/host/testing/seed.ts', 'apptest/conventions.test.ts'];

const testFiles: string[] = globSync(
  ['packages/**/*.test.ts', 'packages/**/*-fixture.ts', 'packages/**/testing/**/*.ts', 'apptest/**/*.ts'],
  { cwd: ROOT, exclude: ['**/node_modules/**', ...EXCEPTIONS] },
);

test('chance in tests comes from a seed that is told', () => {
  const unseeded = testFiles.filter((file) => {
    const source = readFileSync(path.join(ROOT, file), 'utf8');
    return UNSEEDED.test(source);
  });
  expect(unseeded).toEqual([]);
  expect(testFiles.length).toBeGreaterThan(100);
  expect('const pause = Math.random() * 12;').toMatch(UNSEEDED);
});
