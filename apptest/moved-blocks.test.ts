/** U14: blocks of a silent server go to another one, and whatever comes back, each line is found once, at any moment. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines, lineNumber } from './support/corpus.ts';
import { descendants, type RunningUp, startUp } from './support/programs.ts';

/** Before, and while, a server is silent: more than one window of what may be on its way to it. */
const LINES = 100_000;
const FIRST_LINES = 20_000;
const PATIENCE = { timeout: 90_000, interval: 200 };
/** Between two counts: as often as the machine easily takes. */
const WATCH_PAUSE_MS = 50;

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
async function startAndSilence(): Promise<{ program: RunningUp; victim: number }> {
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
  await expect.poll(() => count(program), PATIENCE).toBe(FIRST_LINES);
  const victim = victimOf(program);
  process.kill(victim, 'SIGSTOP');
  writeFileSync(path.join(logs, 'second.log'), `${lines.slice(FIRST_LINES).join('\n')}\n`);
  return { program, victim };
}

function victimOf(program: RunningUp): number {
  const pid = program.pidOf('s2');
  if (pid === undefined) throw new Error('the second server does not run');
  return pid;
}

/** One number from the store itself. */
async function ask(program: RunningUp, sql: string): Promise<number> {
  const store = descendants(program.pid).find(({ command }) => command.includes('store'));
  const listen = store?.command[store.command.indexOf('--listen') + 1];
  const answer = await fetch(`http://${listen}/`, { method: 'POST', body: sql });
  if (!answer.ok) throw new Error(await answer.text());
  return Number(await answer.text());
}

const DISTINCT = 'SELECT uniqExact(AgentId, BlockEpoch, BlockSequence, RecordNumber) FROM otel_logs';
const RAW = 'SELECT count() FROM otel_logs';
const TWICE = `SELECT (${RAW}) - (${DISTINCT})`;
const KEPT = 'SELECT count() FROM sluice_moved_blocks WHERE State = 2';
const MOVED = 'SELECT count() FROM sluice_moved_blocks';

async function count(program: RunningUp): Promise<number> {
  const answer = await fetch(`${program.url}/sluice.v1.QueryService/Count`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '*' }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const found: unknown = await answer.json();
  // Zero is left out of JSON.
  return typeof found === 'object' && found !== null && 'count' in found ? Number(found.count) : 0;
}

/** Counts all the time until it is stopped, and notes each count that finds a record twice. */
function watch(program: RunningUp): { readonly stop: () => Promise<{ looks: number; twice: string[] }> } {
  let stopped = false;
  const twice: string[] = [];
  let looks = 0;
  const run = async (): Promise<void> => {
    while (!stopped) {
      const found = await count(program);
      // Asked after the count: records only become more.
      const distinct = await ask(program, DISTINCT);
      if (found > distinct) twice.push(`${found} found, ${distinct} there`);
      looks += 1;
      await sleep(WATCH_PAUSE_MS);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopped = true;
      await running;
      return { looks, twice };
    },
  };
}

async function expectEachLineOnce(program: RunningUp): Promise<void> {
  await expect.poll(() => count(program), PATIENCE).toBe(LINES);
  const found = await program.search('*', '--all-time', '--limit', String(LINES + 1000));
  expect(found.length).toBe(LINES);
  expect(new Set(found.map(({ body }) => lineNumber(body))).size).toBe(LINES);
}

test('U14 a server falls silent, its blocks move, and it comes back with them', {
  timeout: 300_000,
}, async () => {
  const { program, victim } = await startAndSilence();
  const watching = watch(program);
  await expect.poll(() => ask(program, KEPT), PATIENCE).toBeGreaterThan(0);
  process.kill(victim, 'SIGCONT');
  // What was on its way to it, it stores now too.
  await expect.poll(() => ask(program, TWICE), PATIENCE).toBeGreaterThan(0);
  await expectEachLineOnce(program);
  await expect.poll(() => ask(program, RAW), PATIENCE).toBe(LINES);
  await expectEachLineOnce(program);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});

test('U14 a silent server journals blocks that have moved, is killed, and starts again with them', {
  timeout: 300_000,
}, async () => {
  const { program, victim } = await startAndSilence();
  const watching = watch(program);
  await expect.poll(() => ask(program, MOVED), PATIENCE).toBeGreaterThan(0);
  process.kill(victim, 'SIGCONT');
  await sleep(Math.random() * 300);
  process.kill(victim, 'SIGKILL');
  await expectEachLineOnce(program);
  await expect.poll(() => ask(program, RAW), PATIENCE).toBe(LINES);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});
