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

test('M10 interleaved grants: channels in order, and the notice at the second server', async () => {
  const grants = ['--priorities', '1,3', '--priorities', '2,4', '--quota-bytes', '4MiB'];
  // The second server would yield after the first notice: here the priorities stay as configured.
  const program = await sendThrough(...grants, '--on-notice', 'ignore');
  await expect.poll(async () => (await program.status()).violations, PATIENCE).toBeGreaterThan(0);
  const status = await program.status();
  const [agent] = status.agents;
  if (agent === undefined) throw new Error('no agent in the status');

  const priorities = (id: string): number[] =>
    [
      ...new Set(status.servers.find((server) => server.id === id)?.channels.map(({ priority }) => priority)),
    ].sort();
  expect(priorities('s1')).toEqual([1, 3]);
  expect(priorities('s2')).toEqual([2, 4]);

  const second = status.servers.find(({ id }) => id === 's2');
  expect(second?.violations).toBeGreaterThan(0);
  expect(status.servers.find(({ id }) => id === 's1')?.violations).toBe(0);
  expect(second?.notices[0]?.outrankedBy[0]).toMatchObject({ server: 's1' });
  expect(agent.notices.every(({ server }) => server === 's2')).toBe(true);

  expect(agent.uses.length).toBeGreaterThan(0);
  for (const use of agent.uses) {
    expect(use.server === 's1' ? [1, 3] : [2, 4]).toContain(use.priority);
    if (use.server === 's1') expect(use.violating).toBe(false);
  }
});

test('M9 contiguous grants: no notice', async () => {
  const program = await sendThrough('--quota-bytes', '4MiB');
  const status = await program.status();
  expect(status.violations).toBe(0);
  expect(status.servers.map(({ id }) => id).sort()).toEqual(['s1', 's2']);
});
