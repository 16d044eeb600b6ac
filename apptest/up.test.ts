/** The main job, end to end, with the real programs. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines, lineNumber } from './support/corpus.ts';
import { descendants, isAlive, type RunningUp, startUp } from './support/programs.ts';

/** Long enough for a slow machine; the test goes on as soon as the state is reached. */
const PATIENCE = { timeout: 60_000, interval: 200 };

let directory: string;
let logs: string;
let up: RunningUp | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-up-'));
  logs = path.join(directory, 'logs');
  mkdirSync(logs);
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(directory, { recursive: true });
});

function start(...flags: string[]): Promise<RunningUp> {
  return startUp({
    data: path.join(directory, 'data'),
    arguments: ['--watch', path.join(logs, '*.log'), ...flags],
  });
}

test('a line that a program writes is found, with its time, severity, service and host', async () => {
  up = await start();
  const file = path.join(logs, 'orders.log');
  writeFileSync(file, '2026-01-05T10:00:00.123Z ERROR payment of order 4711 timed out\n');
  await expect.poll(() => up?.count('"order 4711"'), PATIENCE).toBe(1);
  const [record] = await up.search('severity:error "order 4711"', '--all-time');
  expect(record).toMatchObject({
    timestamp: '2026-01-05T10:00:00.123000000Z',
    severity: 'ERROR',
    severityNumber: 17,
    service: 'orders',
    body: '2026-01-05T10:00:00.123Z ERROR payment of order 4711 timed out',
    attributes: { 'log.file.path': file },
  });
  expect(Object.keys(record ?? {})).toEqual(
    expect.arrayContaining(['observed', 'host', 'resource', 'id', 'severityNumber', 'timestamp']),
  );
});

test('Ctrl-C ends everything with exit code 0; starting again loses and repeats nothing', async () => {
  const file = path.join(logs, 'a.log');
  const lines = [...corpusLines(3000, 1)];
  writeFileSync(file, `${lines.slice(0, 1000).join('\n')}\n`);
  up = await start('--from-start', '--servers', '2');
  await expect.poll(() => up?.count('*'), PATIENCE).toBe(1000);
  appendFileSync(file, `${lines.slice(1000, 2000).join('\n')}\n`);
  const children = descendants(up.pid);
  expect(children.length).toBeGreaterThanOrEqual(4);
  // Both the terminal and npm send it.
  process.kill(up.pid, 'SIGINT');
  expect(await up.end('SIGINT')).toBe(0);
  expect(children.filter(({ pid }) => isAlive(pid))).toEqual([]);
  appendFileSync(file, `${lines.slice(2000).join('\n')}\n`);

  up = await start('--from-start', '--servers', '2');
  await expect.poll(() => up?.count('*'), PATIENCE).toBe(3000);
  const found = await up.search('*', '--all-time', '--limit', '5000');
  expect(found.length).toBe(lines.length);
  expect(new Set(found.map(({ body }) => lineNumber(body))).size).toBe(lines.length);
});

test('kill -9 of the parent leaves no process behind, and the next start continues', async () => {
  const file = path.join(logs, 'a.log');
  const lines = [...corpusLines(500, 2)];
  writeFileSync(file, `${lines.join('\n')}\n`);
  up = await start('--from-start');
  const children = descendants(up.pid);
  await up.end('SIGKILL');
  await expect.poll(() => children.filter(({ pid }) => isAlive(pid)), PATIENCE).toEqual([]);
  up = await start('--from-start');
  await expect.poll(() => up?.count('*'), PATIENCE).toBe(500);
});
