/** Two servers that grant interleaved priorities: the channels, the order of use and the notice, for real. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { type RunningUp, startUp } from './support/programs.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
/** Some 30 MiB of blocks: more than the first server's highest channel may take at once. */
const LINES = 100_000;

let directory: string;
let up: RunningUp | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-channels-'));
});
afterEach(async () => {
  await up?.end();
  up = undefined;
  rmSync(directory, { recursive: true });
});

async function sendThrough(...flags: string[]): Promise<RunningUp> {
  const logs = path.join(directory, 'logs');
  mkdirSync(logs);
  writeFileSync(path.join(logs, 'all.log'), `${[...corpusLines(LINES, 5)].join('\n')}\n`);
  up = await startUp({
    data: path.join(directory, 'data'),
    arguments: ['--servers', '2', '--from-start', '--watch', path.join(logs, '*.log'), ...flags],
  });
  await expect.poll(() => up?.count('*').catch(String), PATIENCE).toBe(LINES);
  return up;
}

const INTERLEAVED = ['--priorities', '1,3', '--priorities', '2,4'];

/** So many records came on a channel of this priority. */
async function countsByPriority(program: RunningUp, priorities: readonly number[]): Promise<number[]> {
  return await Promise.all(priorities.map((priority) => program.count(`priority:${priority}`)));
}

test('M8 M10 interleaved grants: a part on each of the four channels, in order, and one notice for each grant', async () => {
  // The second server would yield after the first notice: here the priorities stay as configured.
  const program = await sendThrough(...INTERLEAVED, '--on-notice', 'ignore');
  // The store is asked for what the agent did: a part of the logs on each channel, and together all of them.
  const counts = await countsByPriority(program, [1, 2, 3, 4]);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(LINES);
  for (const count of counts) expect(count).toBeGreaterThan(0);

  await expect.poll(async () => (await program.status()).violations, PATIENCE).toBeGreaterThan(0);
  const status = await program.status();
  const [agent] = status.agents;
  if (agent === undefined) throw new Error('no agent in the status');
  const second = status.servers.find(({ id }) => id === 's2');
  expect(second?.violations).toBeGreaterThan(0);
  expect(status.servers.find(({ id }) => id === 's1')?.violations).toBe(0);
  expect(second?.notices[0]?.outrankedBy[0]).toMatchObject({ server: 's1' });
  expect(agent.notices.every(({ server }) => server === 's2')).toBe(true);
  // A channel is told of once: a grant has two, and S2/4 is outranked only while S1 holds something below it.
  const channelsTold = agent.notices.map(({ grant, channel }) => `${grant}/${channel}`);
  expect(channelsTold).toEqual([...new Set(channelsTold)]);
  expect(agent.notices.every(({ priority }) => priority === 2)).toBe(true);

  expect(agent.uses.length).toBeGreaterThan(0);
  for (const use of agent.uses) {
    expect(use.server === 's1' ? [1, 3] : [2, 4]).toContain(use.priority);
    if (use.server === 's1') expect(use.violating).toBe(false);
  }
});

test('M10 interleaved grants, and the second server yields: it is told, and then the grants are contiguous', async () => {
  const program = await sendThrough(...INTERLEAVED);
  const status = await program.status();
  const [agent] = status.agents;
  if (agent === undefined) throw new Error('no agent in the status');
  // One; and one for each other grant that it had given before it was told, when the machine was slow to use them.
  const told = agent.notices.map(({ server, grant, priority }) => `${server}/${priority} of ${grant}`);
  expect(told.length).toBeGreaterThan(0);
  expect(told).toEqual([...new Set(told)]);
  expect(agent.notices.every(({ server, priority }) => server === 's2' && priority === 2)).toBe(true);
  // What it grants since then is below what the notice named: the order is contiguous.
  const latestPriority = async (): Promise<number> => {
    const [now] = (await program.status()).agents;
    const latest = now?.history.findLast(({ kind, server }) => kind === 'grant' && server === 's2');
    return Math.min(...(latest?.priorities ?? []));
  };
  await expect.poll(latestPriority, PATIENCE).toBeGreaterThan(3);
});

test('M9 contiguous grants: no notice', async () => {
  const program = await sendThrough('--quota-bytes', '4MiB');
  const status = await program.status();
  expect(status.violations).toBe(0);
  expect(status.servers.map(({ id }) => id).sort()).toEqual(['s1', 's2']);
});
