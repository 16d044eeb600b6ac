/** Whatever is killed, at whatever moment: every line is there, and once. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@sluice/base/random';
import { drawSeed } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines, lineNumber } from './support/corpus.ts';
import { isAlive, type RunningUp, startUp } from './support/programs.ts';

/** Lines in the file; SLUICE_KILL_LINES=500000 for the large trial. */
const LINES = Number(process.env.SLUICE_KILL_LINES ?? 60_000);
/** Kills of each part. */
const ROUNDS = Number(process.env.SLUICE_KILL_ROUNDS ?? 3);
/** Longest wait between two kills, so that they fall into reading, sending, loading and recovering alike. */
const MAX_PAUSE_MS = 1_500;
const PATIENCE = { timeout: 240_000, interval: 500 };

let directory: string;
let up: RunningUp | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-kills-'));
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(directory, { recursive: true });
});

test('kill -9 of agent, servers and store at random moments loses nothing and repeats nothing', {
  timeout: 400_000,
}, async () => {
  const seed = drawSeed();
  const random = new Random(seed);
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const lines = [...corpusLines(LINES, seed)];
  writeFileSync(path.join(logs, 'all.log'), `${lines.join('\n')}\n`);
  up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', '2', '--from-start', '--watch', path.join(logs, '*.log')],
  });
  const victims = Array.from({ length: ROUNDS }, () => ['agent', 's1', 's2', 'store']).flat();
  victims.sort(() => random.next() - 0.5);
  let killed = 0;
  for (const part of victims) {
    await sleep(random.next() * MAX_PAUSE_MS);
    const pid = up.pidOf(part);
    // A part that is just being started again cannot be killed; it is waited for.
    if (pid === undefined) await expect.poll(() => up?.pidOf(part), PATIENCE).toBeDefined();
    const victim = up.pidOf(part);
    if (victim === undefined) continue;
    process.kill(victim, 'SIGKILL');
    await expect.poll(() => isAlive(victim), PATIENCE).toBe(false);
    killed += 1;
  }
  expect(killed).toBe(victims.length);

  await expect.poll(() => up?.count('*').catch((error: unknown) => String(error)), PATIENCE).toBe(LINES);
  const found = await up.search('*', '--all-time', '--limit', String(LINES + 1000));
  expect(found.length).toBe(LINES);
  const numbers = new Set(found.map(({ body }) => lineNumber(body)));
  expect(lines.filter((_, number) => !numbers.has(number))).toEqual([]);
});
