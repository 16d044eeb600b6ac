import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { AgentReportSchema } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import type { HealthView } from '../health/health.ts';
import { MAX_SHOWN_EVENTS, MAX_SHOWN_NOTICES, mergeStatus, type ReportingAgent } from './status.ts';

const own = {
  ...{ serverId: 's1', channels: [], violationsTotal: 4n, recentNotices: [] },
  ...{ admission: {}, history: [], historyTotals: [] },
};
const store = { available: true };
const health: HealthView = {
  atMs: 0,
  problems: [],
  counts: new Map(),
  unsearchable: { oldestMs: 0, classes: [], oldestMsByAgent: new Map() },
  urgentLag: { oldestMs: 0, agentId: undefined, msByAgent: new Map() },
  stillForMs: new Map(),
};

function agent(
  agentId: string,
  report: Parameters<typeof create<typeof AgentReportSchema>>[1],
  connected = true,
): ReportingAgent {
  return { agentId, connected, lastSeenMs: 5, report: create(AgentReportSchema, report) };
}

test('a server that only agents see stands there once, with the channels of all agents', () => {
  const view = { serverId: 's2', address: 'http://b', connected: true };
  const merged = mergeStatus({
    own,
    store,
    health,
    agents: [
      agent('a', { servers: [{ ...view, channels: [{ priority: 2 }] }] }),
      agent('b', { servers: [{ ...view, channels: [{ priority: 3 }] }] }),
    ],
  });
  expect(merged.servers).toHaveLength(2);
  expect(merged.servers?.[1]).toMatchObject({
    serverId: 's2',
    answering: false,
    state: 'connected',
    channels: [{ agentId: 'a' }, { agentId: 'b' }],
  });
});

test('of the answering server only its own word counts: no violation is counted twice', () => {
  const notice = { priority: 2 };
  const merged = mergeStatus({
    own: { ...own, recentNotices: [{ atMs: 1n, agentId: 'a', notice }] },
    store,
    health,
    agents: [
      agent('a', {
        noticesTotal: 5n,
        servers: [{ serverId: 's1', connected: true, channels: [{ priority: 2 }] }],
        recentNotices: [
          { atMs: 1n, serverId: 's1', notice },
          { atMs: 2n, serverId: 's2', notice },
        ],
      }),
    ],
  });
  expect(merged.servers?.map((server) => [server.serverId, server.violationsTotal])).toEqual([
    ['s1', 4n],
    ['s2', 1n],
  ]);
  expect(merged.violationsTotal).toBe(5n);
  expect(merged.servers?.[0]?.channels).toEqual([]);
});

test('what an agent that left says of channels is over, and a server without a name has its address', () => {
  const servers = [{ address: 'http://b', connected: true, channels: [{ priority: 1 }] }];
  const merged = mergeStatus({ own, store, health, agents: [agent('a', { servers }, false)] });
  expect(merged.servers?.[1]).toMatchObject({ serverId: 'http://b', state: 'disconnected', channels: [] });
  expect(merged.agents?.[0]).toMatchObject({ agentId: 'a', connected: false, lastSeenMs: 5n });
});

test('the latest notices are shown, newest first', () => {
  const recentNotices = Array.from({ length: 70 }, (_, index) => ({ atMs: BigInt(index), agentId: 'a' }));
  const shown = mergeStatus({ own: { ...own, recentNotices }, store, health, agents: [] }).servers?.[0]
    ?.recentNotices;
  expect(shown).toHaveLength(MAX_SHOWN_NOTICES);
  expect(shown?.[0]?.atMs).toBe(69n);
});

test('what agents tell fits the message, however much it is', () => {
  const far = 2 ** 64 + 4096;
  const merged = mergeStatus({
    ...{ own, store },
    agents: [agent('a', {})],
    health: {
      ...health,
      unsearchable: {
        oldestMs: far,
        classes: [{ urgency: 'urgent', records: far, oldestMs: far }],
        oldestMsByAgent: new Map([['a', far]]),
      },
      urgentLag: { oldestMs: far, agentId: 'a', msByAgent: new Map([['a', far]]) },
    },
  });
  const bytes = toBinary(GetStatusResponseSchema, create(GetStatusResponseSchema, merged));
  const read = fromBinary(GetStatusResponseSchema, bytes);
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  expect(read.agents[0]).toMatchObject({ oldestUnsearchableMs: most, urgentLagMs: most });
  expect(read.urgentLag).toMatchObject({ oldestMs: most, agentId: 'a' });
  expect(read.health).toMatchObject({ oldestUnsearchableMs: most });
  expect(read.health?.unsearchable).toMatchObject([{ recordCount: most, oldestAgeMs: most }]);
});

test('of very many agents each shows the latest events alone, and none is changed by it', () => {
  const history = Array.from({ length: 20 }, (_, index) => ({ number: BigInt(index) }));
  const agents = Array.from({ length: 1000 }, (_, index) => agent(`a${index}`, { history }));
  const shown = mergeStatus({ own, store, health, agents }).agents?.map(
    ({ report }) => report?.history ?? [],
  );
  expect(shown?.reduce((sum, events) => sum + events.length, 0)).toBeLessThanOrEqual(MAX_SHOWN_EVENTS);
  expect(shown?.[0]?.at(-1)?.number).toBe(19n);
  expect(shown?.[0]).toHaveLength(4);
  expect(agents[0]?.report?.history).toHaveLength(20);
  expect(
    mergeStatus({ own, store, health, agents: agents.slice(0, 2) }).agents?.[0]?.report?.history,
  ).toHaveLength(20);
});

test('what this server gives an agent stands at the agent', () => {
  const admission = { outstandingBytes: 5n, requestWaits: true, loweredBy: 2 };
  const merged = mergeStatus({
    own,
    store,
    health,
    agents: [{ ...agent('a', {}), admission }, agent('b', {})],
  });
  expect(merged.agents?.map((each) => each.admission)).toEqual([admission, undefined]);
  // None of the two has told how long an urgent record waits.
  expect(merged.agents?.map((each) => each.urgentLagMs)).toEqual([undefined, undefined]);
});
