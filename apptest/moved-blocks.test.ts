/** U14: blocks of a silent server go to another one, and whatever comes back, each line is found once, at any moment. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@sluice/base/random';
import { drawSeed } from '@sluice/host/testing/seed';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { descendants, type RunningUp, startUp } from './support/programs.ts';
import { Records } from './support/records.ts';

/** Before a server is silent. */
const FIRST_LINES = 20_000;
/** While it is: more than one window of what may be on its way to it. */
const MORE_LINES = 80_000;
/** How often it may fall silent with nothing on its way to it: a machine without time sends when it is given up already. */
const MOST_SILENCES = 3;
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

/** Two servers, of which the second leads and falls silent with blocks on their way to it; searches go to the first. */
async function startAndSilence(): Promise<{ records: Records; victim: number; lines: number }> {
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const all = [...corpusLines(FIRST_LINES + MOST_SILENCES * MORE_LINES, 11)];
  const write = (name: string, from: number, to: number): void => {
    writeFileSync(path.join(logs, name), `${all.slice(from, to).join('\n')}\n`);
  };
  write('first.log', 0, FIRST_LINES);
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
  for (let lines = FIRST_LINES + MORE_LINES; lines <= all.length; lines += MORE_LINES) {
    process.kill(victim, 'SIGSTOP');
    write(`until-${lines}.log`, lines - MORE_LINES, lines);
    // Whatever is on its way to the silent server moves; if nothing is, the other one has all lines in the end.
    let moved = 0;
    const hasMovedOrAll = async (): Promise<boolean> => {
      moved = await records.ask(MOVED);
      return moved > 0 || (await records.count()) === lines;
    };
    await expect.poll(hasMovedOrAll, PATIENCE).toBe(true);
    if (moved > 0) return { records, victim, lines };
    process.kill(victim, 'SIGCONT');
    const leads = async (): Promise<boolean> =>
      (await program.status()).agents.some(({ servers }) =>
        servers.some(({ id, connected, channels }) => id === 's2' && connected && channels.length > 0),
      );
    await expect.poll(leads, PATIENCE).toBe(true);
  }
  throw new Error(`nothing was on its way to the silent server, ${MOST_SILENCES} times`);
}

function victimOf(program: RunningUp): number {
  const pid = program.pidOf('s2');
  if (pid === undefined) throw new Error('the second server does not run');
  return pid;
}

function recordsOf(program: RunningUp): Records {
  const store = descendants(program.pid).find(({ command }) => command.includes('store'));
  const data = store?.command[store.command.indexOf('--data') + 1];
  return new Records(program.url, data ?? 'no store runs');
}

const KEPT = 'SELECT count() FROM sluice_moved_blocks WHERE State = 2';
const MOVED = 'SELECT count() FROM sluice_moved_blocks';

test('U14 a server falls silent, its blocks move, and it comes back with them', {
  timeout: 300_000,
}, async () => {
  const { records, victim, lines } = await startAndSilence();
  const watching = records.watch();
  await expect.poll(() => records.ask(KEPT), PATIENCE).toBeGreaterThan(0);
  process.kill(victim, 'SIGCONT');
  // What was on its way to it, it stores now too.
  await expect.poll(() => records.secondCopies(), PATIENCE).toBeGreaterThan(0);
  await records.expectEachLineOnce(lines);
  await expect.poll(() => records.copies(), PATIENCE).toBe(lines);
  await records.expectEachLineOnce(lines);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});

test('U14 a silent server journals blocks that have moved, is killed, and starts again with them', {
  timeout: 300_000,
}, async () => {
  const { records, victim, lines } = await startAndSilence();
  const watching = records.watch();
  process.kill(victim, 'SIGCONT');
  await sleep(new Random(drawSeed()).next() * 300);
  process.kill(victim, 'SIGKILL');
  await records.expectEachLineOnce(lines);
  await expect.poll(() => records.copies(), PATIENCE).toBe(lines);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
});
