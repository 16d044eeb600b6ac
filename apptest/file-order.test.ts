/** Lines that share a time are found in the order of their file, whatever class each of them went in. */
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningUp, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };
const LEVELS = ['INFO', 'DEBUG', 'ERROR', 'WARN', 'INFO', 'TRACE'];
const LINES_PER_FILE = 3_000;
/** So many lines have one time: several blocks of each class. */
const LINES_PER_TIME = 1_500;

let directory: string;
let up: RunningUp | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-order-'));
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(directory, { recursive: true });
});

function lines(from: number): string[] {
  return Array.from({ length: LINES_PER_FILE }, (_, index) => {
    const number = from + index;
    const second = String(10 + Math.floor(number / LINES_PER_TIME)).padStart(2, '0');
    return `2026-03-04T05:06:${second}Z ${LEVELS[number % LEVELS.length]} line ${number}`;
  });
}

test('also over a rotation in the middle of one second, and over a restart of all programs', async () => {
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const file = path.join(logs, 'app.log');
  const all = [0, 1, 2].map((part) => lines(part * LINES_PER_FILE + part * (LINES_PER_TIME / 2)));
  const options = {
    data: path.join(directory, 'data'),
    arguments: ['--servers', '2', '--from-start', '--watch', file],
  };
  const [first = [], second = [], third = []] = all;
  writeFileSync(file, `${first.join('\n')}\n`);
  up = await startUp(options);
  await expect.poll(() => up?.count('*').catch(String), PATIENCE).toBe(LINES_PER_FILE);
  renameSync(file, `${file}.1`);
  writeFileSync(file, `${second.join('\n')}\n`);
  await expect.poll(() => up?.count('*').catch(String), PATIENCE).toBe(2 * LINES_PER_FILE);
  await up.end();
  appendFileSync(file, `${third.join('\n')}\n`);
  up = await startUp(options);
  await expect.poll(() => up?.count('*').catch(String), PATIENCE).toBe(3 * LINES_PER_FILE);
  const found = await up.search('*', '--all-time', '--limit', '20000');
  expect(found.map(({ body }) => body).reverse()).toEqual(all.flat());
  const origins = new Set(found.map(({ timestampOrigin }) => timestampOrigin));
  expect([...origins]).toEqual(['read']);
  expect(await up.count('timestamp.origin:read record.offset:0', '--all-time')).toBe(2);
});
