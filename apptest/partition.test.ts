/**
 * U13, U14: the network between an agent and the server that leads goes silent. The other server takes over, what may be at
 * both is found once, and nothing is lost or left twice when the network is back.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { type RunningProgram, startProgram } from './support/programs.ts';
import { Records } from './support/records.ts';
import { type Lost, type Relay, startRelay } from './support/relay.ts';

/** Before, and while, the network is silent: more than what may be on its way to a server that does not answer. */
const LINES = 60_000;
const FIRST_LINES = 10_000;
const PATIENCE = { timeout: 90_000, interval: 200 };

let directory: string;
const running: RunningProgram[] = [];
const relays: Relay[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-partition-'));
});
afterEach(async () => {
  for (const program of running.splice(0)) await program.end();
  for (const relay of relays.splice(0)) await relay.close();
  rmSync(directory, { recursive: true });
});

/** Starts a server and a relay before it. */
async function startServer(
  id: string,
  flags: readonly string[],
): Promise<{ readonly relay: Relay; readonly url: string }> {
  const [uplink, api] = [await pickPort('127.0.0.1', 0), await pickPort('127.0.0.1', 0)];
  const listen = ['--listen', `127.0.0.1:${uplink}`, '--api-listen', `127.0.0.1:${api}`];
  const data = path.join(directory, id);
  running.unshift(await startProgram(['server', '--id', id, '--data', data, ...listen, ...flags], 'ready'));
  const relay = await startRelay(uplink);
  relays.push(relay);
  return { relay, url: `http://127.0.0.1:${api}` };
}

async function partition(lost: Lost): Promise<void> {
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  const lines = [...corpusLines(LINES, 12)];
  writeFileSync(path.join(logs, 'first.log'), `${lines.slice(0, FIRST_LINES).join('\n')}\n`);
  const listen = `127.0.0.1:${await pickPort('127.0.0.1', 0)}`;
  const store = path.join(directory, 's1', 'store');
  const follower = await startServer('s1', ['--store-listen', listen, '--priorities', '3,4']);
  const leader = await startServer('s2', ['--store-data', store, '--priorities', '1,2']);
  const servers = [follower, leader].flatMap(({ relay }) => ['--server', `http://127.0.0.1:${relay.port}`]);
  const watched = ['--from-start', '--watch', path.join(logs, '*.log')];
  const data = ['--data', path.join(directory, 'agent')];
  running.unshift(
    await startProgram(['agent', ...data, ...servers, ...watched], 'ready', {
      SLUICE_IN_DOUBT_TIMEOUT: '1s',
    }),
  );
  const records = new Records(follower.url, store);
  await expect.poll(() => records.count(), PATIENCE).toBe(FIRST_LINES);
  const watching = records.watch();
  leader.relay.silence(lost);
  writeFileSync(path.join(logs, 'second.log'), `${lines.slice(FIRST_LINES).join('\n')}\n`);
  // All are found while the network is silent: nobody waits for it.
  await records.expectEachLineOnce(LINES);
  leader.relay.heal();
  await records.expectEachLineOnce(LINES);
  await expect.poll(() => records.copies(), PATIENCE).toBe(LINES);
  const { looks, twice } = await watching.stop();
  expect(twice).toEqual([]);
  expect(looks).toBeGreaterThan(10);
}

test('U14 nothing passes between the agent and the server that leads', { timeout: 300_000 }, async () => {
  await partition('everything');
});

test('U14 answers are lost between the agent and the server that leads', { timeout: 300_000 }, async () => {
  await partition('answers');
});
