import type { AgentId, ServerId } from '@sluice/protocol/model';
import type { ServerAgentView, ServerMachineView } from '@sluice/protocol/server-view';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { agentAdmissions } from './admission-status.ts';
import type { HealthView } from './health/health.ts';
import { MAX_AGENT_SERIES, showUplink } from './uplink-metrics.ts';

function agentView(agentId: string, fields: Partial<ServerAgentView> = {}): ServerAgentView {
  return {
    ...{
      agentId: agentId as AgentId,
      channels: [],
      outstandingBytes: 0,
      requestDeferred: false,
      yieldedBy: 0,
    },
    ...fields,
  };
}

function view(
  agents: readonly ServerAgentView[],
  fields: Partial<ServerMachineView> = {},
): ServerMachineView {
  return {
    ...{ serverId: 's1' as ServerId, draining: false, roomBytes: 0, drainBytesPerSecond: 0, loaded: false },
    ...{ outstandingBytes: 0, writingBytes: 0, agents, noticesTotal: 0, recentNotices: [] },
    ...{ history: [], historyTotals: new Map([['recall', 5] as const]) },
    ...fields,
  };
}

function healthWith(msByAgent: ReadonlyMap<string, number>): HealthView {
  return {
    ...{ atMs: 0, problems: [], counts: new Map(), stillForMs: new Map() },
    unsearchable: { oldestMs: 0, classes: [], oldestMsByAgent: new Map() },
    urgentLag: { oldestMs: Math.max(0, ...msByAgent.values()), agentId: undefined, msByAgent },
  };
}

function metrics(machine: ServerMachineView, msByAgent: ReadonlyMap<string, number>): () => Promise<string> {
  const registry = new Registry();
  showUplink(registry, {
    health: { view: () => healthWith(msByAgent) },
    ingest: { view: () => machine, agentEventTotals: new Map([['hedge', 3] as const]) },
  });
  return () => registry.metrics();
}

test('the urgent lag, and what the server gives and takes', async () => {
  const machine = view(
    [agentView('a', { requestDeferred: true }), agentView('b', { requestDeferred: true, yieldedBy: 2 })],
    { loaded: true, outstandingBytes: 500, writingBytes: 60, drainBytesPerSecond: 7000 },
  );
  const text = await metrics(machine, new Map([['b', 1500]]))();
  for (const line of [
    'sluice_urgent_lag_seconds 1.5',
    'sluice_agent_urgent_lag_seconds{agent="b"} 1.5',
    'sluice_server_outstanding_quota_bytes 500',
    'sluice_server_writing_raw_bytes 60',
    'sluice_server_drain_bytes_per_second 7000',
    'sluice_server_waiting_agents 2',
    'sluice_server_lowered_agents 1',
    'sluice_server_loaded 1',
    'sluice_server_draining 0',
    'sluice_server_uplink_events_total{kind="recall"} 5',
    'sluice_server_uplink_events_total{kind="hedge"} 0',
    'sluice_agent_uplink_events_total{kind="hedge"} 3',
    'sluice_agent_uplink_events_total{kind="refusal"} 0',
  ])
    expect(text).toContain(`${line}\n`);
});

test('agents that are gone have no series, and of too many those that are furthest behind have one', async () => {
  const lags = new Map<string, number>([['first', 0]]);
  const scrape = metrics(view([]), lags);
  expect(await scrape()).toContain('sluice_agent_urgent_lag_seconds{agent="first"} 0\n');
  lags.delete('first');
  for (let index = 0; index < MAX_AGENT_SERIES + 50; index += 1) lags.set(`a${index}`, index);
  // Whatever an agent calls itself, it makes one label.
  lags.set('"} 1\\', 10_000);
  const lines = (await scrape())
    .split('\n')
    .filter((line) => line.startsWith('sluice_agent_urgent_lag_seconds{'));
  expect(lines).toHaveLength(MAX_AGENT_SERIES);
  expect(lines[0]).toBe('sluice_agent_urgent_lag_seconds{agent="\\"} 1\\\\"} 10');
  expect(lines.at(-1)).toContain('agent="a51"');
});

test('several sessions of one agent are one', () => {
  const admissions = agentAdmissions(
    view([
      agentView('a', { outstandingBytes: 5, requestDeferred: true }),
      agentView('a', { outstandingBytes: 6, yieldedBy: 4 }),
    ]),
  );
  expect([...admissions]).toEqual([['a', { outstandingBytes: 11n, requestWaits: true, loweredBy: 4 }]]);
});
