/**
 * U11 and U13 with real processes, S1{1,3} and S2{2,4}: after a notice the grants are contiguous; S1 is killed and S2
 * takes everything; S1 is back, and leads again when S2 has forgotten.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { corpusLines } from './support/corpus.ts';
import { type Client, clientOf, type RunningProgram, startProgram } from './support/programs.ts';

const HOST = '127.0.0.1';
const PATIENCE = { timeout: 120_000, interval: 200 };
/** Some 30 MiB of blocks: more than one server's channels may take at once. */
const BURST_LINES = 100_000;
const FEW_LINES = 100;
/** Longer than a burst takes, also on a busy machine (30 s were not), and short enough to wait for its end. */
const YIELD_MEMORY = '60s';

let directory: string;
const running: RunningProgram[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-yield-'));
  mkdirSync(path.join(directory, 'logs'));
});
afterEach(async () => {
  for (const program of running.splice(0).reverse()) await program.end();
  rmSync(directory, { recursive: true });
});

async function run(...argumentsOfCommand: string[]): Promise<RunningProgram & { readonly line: string }> {
  const program = await startProgram(argumentsOfCommand, 'ready', { SLUICE_IN_DOUBT_TIMEOUT: '1s' });
  running.push(program);
  return program;
}

interface ServerPlace {
  readonly id: string;
  readonly uplinkUrl: string;
  start(): Promise<RunningProgram & { readonly line: string }>;
}

async function placeServer(id: string, priorities: string, storeData: string): Promise<ServerPlace> {
  const address = `${HOST}:${await pickPort(HOST, 0)}`;
  const flags = [
    ...[
      '--id',
      id,
      '--priorities',
      priorities,
      '--data',
      path.join(directory, id),
      '--store-data',
      storeData,
    ],
    ...['--listen', address, '--api-listen', `${HOST}:${await pickPort(HOST, 0)}`],
    ...['--quota-bytes', '4MiB', '--grant-lifetime', '2s', '--yield-memory', YIELD_MEMORY],
  ];
  return { id, uplinkUrl: `http://${address}`, start: () => run('server', ...flags) };
}

let bursts = 0;
function write(lineCount: number): void {
  bursts += 1;
  const lines = [...corpusLines(lineCount, bursts)];
  writeFileSync(path.join(directory, 'logs', `${bursts}.log`), `${lines.join('\n')}\n`);
}

async function agentOf(client: Client) {
  const [agent] = (await client.status()).agents;
  if (agent === undefined) throw new Error('no agent in the status');
  return agent;
}

/** What the agent holds: per server its live priorities. */
async function heldBy(client: Client): Promise<Record<string, number[]>> {
  const { servers } = await agentOf(client);
  return Object.fromEntries(
    servers.map(({ id, channels }) => [
      id,
      [...new Set(channels.map(({ priority }) => priority))].sort((a, b) => a - b),
    ]),
  );
}

test('U11 U13 the grants become contiguous, the other server takes over, the first leads again', {
  timeout: 300_000,
}, async () => {
  const store = path.join(directory, 'store');
  await run('store', '--data', store);
  const first = await placeServer('s1', '1,3', store);
  const second = await placeServer('s2', '2,4', store);
  const s1 = await first.start();
  const s2 = await second.start();
  const client = clientOf(s2.line.slice('ready '.length));
  await run(
    ...['agent', '--data', path.join(directory, 'agent'), '--from-start'],
    ...['--watch', path.join(directory, 'logs', '*.log')],
    ...['--server', first.uplinkUrl, '--server', second.uplinkUrl],
  );
  await expect.poll(() => heldBy(client), PATIENCE).toEqual({ s1: [1, 3], s2: [2, 4] });

  // One notice, and the second server ranks itself behind all that the first one holds.
  write(BURST_LINES);
  await expect.poll(async () => (await client.status()).violations, PATIENCE).toBeGreaterThan(0);
  await expect.poll(() => heldBy(client), PATIENCE).toEqual({ s1: [1, 3], s2: [4, 6] });
  await expect.poll(() => client.count('*'), PATIENCE).toBe(BURST_LINES);

  // From now on both are used without a violation.
  const told = (await agentOf(client)).violations;
  const lastUse = (await agentOf(client)).uses.at(-1)?.at ?? '';
  write(BURST_LINES);
  await expect.poll(() => client.count('*'), PATIENCE).toBe(2 * BURST_LINES);
  await expect.poll(async () => (await agentOf(client)).recordsAcknowledged, PATIENCE).toBe(2 * BURST_LINES);
  const agent = await agentOf(client);
  const uses = agent.uses.filter(({ at }) => at > lastUse);
  expect(new Set(uses.map(({ server }) => server))).toEqual(new Set(['s1', 's2']));
  expect(uses.filter(({ violating }) => violating)).toEqual([]);
  expect(agent.violations).toBe(told);

  // The first server dies as the next burst begins: the second one takes what is left.
  write(BURST_LINES);
  await s1.end('SIGKILL');
  running.splice(running.indexOf(s1), 1);
  await expect.poll(() => heldBy(client), PATIENCE).toMatchObject({ s1: [] });
  await expect.poll(async () => (await agentOf(client)).recordsAcknowledged, PATIENCE).toBe(3 * BURST_LINES);
  expect((await agentOf(client)).uses.at(-1)?.server).toBe('s2');

  // It is back, with what it had in its journal; when the notices are forgotten, it leads as at first.
  await first.start();
  await expect.poll(() => client.count('*'), PATIENCE).toBe(3 * BURST_LINES);
  await expect.poll(() => heldBy(client), PATIENCE).toEqual({ s1: [1, 3], s2: [2, 4] });
  const lastOfAll = (await agentOf(client)).uses.at(-1)?.at ?? '';
  write(FEW_LINES);
  await expect.poll(() => client.count('*'), PATIENCE).toBe(3 * BURST_LINES + FEW_LINES);
  await expect
    .poll(async () => (await agentOf(client)).uses.find(({ at }) => at > lastOfAll), PATIENCE)
    .toMatchObject({ server: 's1', priority: 1 });
});
