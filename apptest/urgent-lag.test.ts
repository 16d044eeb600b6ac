/**
 * What agents tell of urgent records that wait, and of what happened to them, as a real server shows it: in the status, on the
 * command line, in the metrics. The agents are made by hand, to say what shall be seen, and what must not do harm.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pickPort } from '@sluice/host/pick-port';
import { UplinkEventKind, UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScriptedAgent } from '../packages/conformance/scripted-agent.ts';
import { type Client, clientOf, type RunningProgram, sluice, startProgram } from './support/programs.ts';

const HOST = '127.0.0.1';
const ESCAPE = '\u001b[2J';
/** Of a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 200 };

let directory: string;
let server: RunningProgram;
let client: Client;
let uplinkPort: number;
let apiUrl: string;
const agents: ScriptedAgent[] = [];

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'sluice-urgent-'));
  uplinkPort = await pickPort(HOST, 0);
  const apiPort = await pickPort(HOST, 0);
  apiUrl = `http://${HOST}:${apiPort}`;
  client = clientOf(apiUrl);
  server = await startProgram(
    [
      ...['server', '--id', 's1', '--data', path.join(directory, 's1')],
      ...['--listen', `${HOST}:${uplinkPort}`, '--api-listen', `${HOST}:${apiPort}`],
    ],
    'ready ',
  );
}, 120_000);

afterAll(async () => {
  for (const agent of agents) agent.close();
  await server?.end();
  rmSync(directory, { recursive: true, force: true });
});

async function connect(agentId: string): Promise<ScriptedAgent> {
  const agent = new ScriptedAgent(uplinkPort);
  agents.push(agent);
  await agent.begin({ agentId });
  return agent;
}

test('the oldest urgent record is told with its agent, and what happened with why, cut and harmless', async () => {
  const slow = await connect('slow');
  const old = await connect('old');
  slow.say({
    case: 'agentReport',
    value: {
      urgentLagMs: 70_000n,
      history: [
        {
          number: 1n,
          kind: UplinkEventKind.REFUSAL,
          peerId: `s2${ESCAPE}`,
          reason: `${ESCAPE}<b>${'x'.repeat(50_000)}`,
        },
        {
          number: 2n,
          kind: UplinkEventKind.HEDGE,
          peerId: 's2',
          reason: 's1 did not answer in time',
          rawBytes: 2048n,
        },
      ],
      historyTotals: [{ kind: UplinkEventKind.HEDGE, total: 1n }],
    },
  });
  // Tells only what an agent of an earlier version does.
  old.say({
    case: 'agentReport',
    value: { backlog: [{ urgency: UrgencyClass.URGENT, recordCount: 3n, oldestAgeMs: 30_000n }] },
  });
  await expect
    .poll(async () => {
      const { agents: known } = await client.status();
      return known.filter(({ urgentLagMs }) => (urgentLagMs ?? 0) > 0).map(({ id }) => id);
    }, PATIENCE)
    .toEqual(['slow', 'old']);
  slow.say({
    case: 'agentReport',
    value: {
      urgentLagMs: 71_000n,
      history: [{ number: 3n, kind: UplinkEventKind.STALL, peerId: 's1', reason: 'no answer' }],
      historyTotals: [
        { kind: UplinkEventKind.HEDGE, total: 5n },
        { kind: UplinkEventKind.STALL, total: 2n ** 64n - 1n },
      ],
    },
  });
  const told = async () => (await client.status()).agents.find(({ id }) => id === 'slow');
  // Reports tell what is new; the server puts them together.
  await expect
    .poll(async () => (await told())?.history.map(({ kind }) => kind), PATIENCE)
    .toEqual(['refusal', 'hedge', 'stall']);
  const status = await client.status();
  expect(status.urgentLag).toMatchObject({ agent: 'slow' });
  expect(status.urgentLag?.oldestMs).toBeGreaterThanOrEqual(71_000);
  expect(status.servers[0]?.historyTotals).toMatchObject({ request: 2, grant: 2, refusal: 0 });
  expect(status.servers[0]?.history.map(({ agent, kind }) => `${agent} ${kind}`)).toContain('slow grant');
  expect((await told())?.history[0]?.reason).toHaveLength(200);

  const text = (await sluice(['status', '--server', apiUrl])).stdout;
  expect(text).toMatch(
    /^urgent {3}the oldest record that no server has acknowledged is \d+ s old \(slow\)$/m,
  );
  expect(text).toContain('refusal s2\\x1b[2J: \\x1b[2J<b>xxx');
  expect(text).not.toContain('\u001b');

  const metrics = await (await fetch(`${apiUrl}/metrics`)).text();
  expect(metrics).toMatch(/^sluice_urgent_lag_seconds\{server="s1"\} (7[1-9]|[89]\d|\d{3,})/m);
  expect(metrics).toMatch(/^sluice_agent_urgent_lag_seconds\{agent="old",server="s1"\} ([3-9]\d|\d{3,})/m);
  expect(metrics).toContain('sluice_server_uplink_events_total{kind="grant",server="s1"} 2\n');
  // What was before the first report is not counted, and what cannot be is bounded.
  expect(metrics).toContain('sluice_agent_uplink_events_total{kind="hedge",server="s1"} 4\n');
  expect(metrics).toContain('sluice_agent_uplink_events_total{kind="stall",server="s1"} 10000\n');
});

test('what was acknowledged is late no more', async () => {
  const agent = await connect('quick');
  const lag = async () => (await client.status()).agents.find(({ id }) => id === 'quick')?.urgentLagMs;
  agent.say({ case: 'agentReport', value: { urgentLagMs: 500_000n } });
  await expect.poll(lag, PATIENCE).toBeGreaterThanOrEqual(500_000);
  agent.say({ case: 'agentReport', value: { urgentLagMs: 0n } });
  await expect.poll(lag, PATIENCE).toBe(0);
  expect((await client.status()).urgentLag?.agent).toBe('slow');
});
