/** U14: blocks of a silent server go to another one, and whatever comes back, each line is found once, at any moment. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { descendants, type RunningUp, startUp } from './support/programs.ts';
import { Records } from './support/records.ts';

/** Before, and while, a server is silent: more than one window of what may be on its way to it. */
const LINES = 100_000;
const FIRST_LINES = 20_000;
const PATIENCE = { timeout: 90_000, interval: 200 };

let directory: string;
let up: RunningUp | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-moved-'));
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(directory, { recursive: true });
});

/** Two servers, of which the second leads and falls silent with lines on their way to it; searches go to the first. */
async function startAndSilence(): Promise<{ records: Records; victim: number }> {
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const lines = [...corpusLines(LINES, 11)];
  writeFileSync(path.join(logs, 'first.log'), `${lines.slice(0, FIRST_LINES).join('\n')}\n`);
  const program = await startUp({
    data: path.join(directory, 'data'),
    arguments: [
      ...['--servers', '2', '--priorities', '3,4', '--priorities', '1,2'],
      ...['--from-start', '--watch', path.join(logs, '*.log')],
    ],
    environment: { SLUICE_IN_DOUBT_TIMEOUT: '1s' },
  });
  up = program;
  const records = recordsOf(program);
  await expect.poll(() => records.count(), PATIENCE).toBe(FIRST_LINES);
  const victim = victimOf(program);
  process.kill(victim, 'SIGSTOP');
  writeFileSync(path.join(logs, 'second.log'), `${lines.slice(FIRST_LINES).join('\n')}\n`);
  return { records, victim };
}

function victimOf(program: RunningUp): number {
  const pid = program.pidOf('s2');
  if (pid === undefined) throw new Error('the second server does not run');
  return pid;
}

function recordsOf(program: RunningUp): Records {
  const store = descendants(program.pid).find(({ command }) => command.includes('store'));
  const listen = store?.command[store.command.indexOf('--listen') + 1];
  return new Records(program.url, `http://${listen}/`);
}

const KEPT = 'SELECT count() FROM sluice_moved_blocks WHERE State = 2';
const MOVED = 'SELECT count() FROM sluice_moved_blocks';

test('U14 a server falls silent, its blocks move, and it comes back with them', {
  timeout: 300_000,
}, async () => {
  const { records, victim } = await startAndSilence();
  const watching = records.watch();
  await expect.poll(() => records.ask(KEPT), PATIENCE).toBeGreaterThan(0);
  process.kill(victim, 'SIGCONT');
  // What was on its way to it, it stores now too.
  await expect.poll(() => records.secondCopies(), PATIENCE).toBeGreaterThan(0);
  await records.expectEachLineOnce(LINES);
  await expect.poll(() => records.copies(), PATIENCE).toBe(LINES);
  await records.expectEachLineOnce(LINES);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});

test('U14 a silent server journals blocks that have moved, is killed, and starts again with them', {
  timeout: 300_000,
}, async () => {
  const { records, victim } = await startAndSilence();
  const watching = records.watch();
  await expect.poll(() => records.ask(MOVED), PATIENCE).toBeGreaterThan(0);
  process.kill(victim, 'SIGCONT');
  await sleep(Math.random() * 300);
  process.kill(victim, 'SIGKILL');
  await records.expectEachLineOnce(LINES);
  await expect.poll(() => records.copies(), PATIENCE).toBe(LINES);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});
