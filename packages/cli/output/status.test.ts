import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import {
  AgentReportSchema,
  SourceCondition,
  UplinkEventKind,
  UplinkEventSchema,
} from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import { jsonStatus } from './json-status.ts';
import { statusLines } from './status.ts';

const KIBIBYTE = 1024;

function lines(channels: { agentId: string; priority: number; usedBytes: number; violating?: boolean }[]) {
  const status = create(GetStatusResponseSchema, {
    servers: [
      {
        serverId: 's1',
        state: 'connected',
        channels: channels.map(({ agentId, priority, usedBytes, violating = false }) => ({
          agentId,
          channel: { priority, quotaBytes: BigInt(4 * KIBIBYTE), usedBytes: BigInt(usedBytes), violating },
        })),
      },
    ],
  });
  return statusLines(status).filter((line) => line.startsWith('  '));
}

test('the channels of one priority of an agent are one line, the highest first', () => {
  const shown = lines([
    { agentId: 'a', priority: 2, usedBytes: 0 },
    { agentId: 'a', priority: 1, usedBytes: 4 * KIBIBYTE },
    { agentId: 'b', priority: 1, usedBytes: 0 },
    { agentId: 'a', priority: 1, usedBytes: KIBIBYTE, violating: true },
  ]);
  expect(shown).toEqual([
    '  priority 1   5.0 KiB of 8.0 KiB used in 2 grants  for a  violating',
    '  priority 1   0 B of 4.0 KiB used  for b',
    '  priority 2   0 B of 4.0 KiB used  for a',
  ]);
});

test('very many agents are counted, not listed', () => {
  const shown = lines(
    Array.from({ length: 30 }, (_, index) => ({ agentId: `agent-${index}`, priority: 1, usedBytes: 0 })),
  );
  expect(shown).toHaveLength(21);
  expect(shown.at(-1)).toBe('  and 10 more (all with --json)');
});

function withReport(report: MessageInitShape<typeof AgentReportSchema>) {
  return create(GetStatusResponseSchema, { agents: [{ agentId: 'a', connected: true, report }] });
}

test('sources that stand still, fail, vanished or hold odd lines are told of, each once', () => {
  const status = withReport({
    problems: ['/secret.log: EACCES: permission denied', 'no disk space'],
    sources: {
      streams: 4n,
      failing: 1n,
      stuck: 1n,
      vanished: 1n,
      worst: [
        {
          kind: 'file',
          name: '/slow.log',
          condition: SourceCondition.STUCK,
          forMs: 90_000n,
          reason: 'reading pauses: the queue is full',
          unreadBytes: 2048n,
          unparsedRecords: 2n,
        },
        {
          kind: 'file',
          name: '/secret.log',
          condition: SourceCondition.FAILING,
          forMs: 3_600_000n,
          reason: 'EACCES: permission denied',
          unreadBytes: 10n,
          readErrors: 3n,
        },
        {
          kind: 'file',
          name: '/gone.log\u001b[2J',
          condition: SourceCondition.VANISHED,
          forMs: 1000n,
          reason: 'not to be found any more',
          unreadBytes: 5n,
        },
        {
          kind: 'file',
          name: '/odd.log',
          condition: SourceCondition.READING,
          reason: 'too deep',
          failedRecords: 1n,
          unparsedRecords: 3n,
        },
      ],
    },
  });
  const shown = statusLines(status).filter((line) => line.startsWith('  '));
  expect(shown).toEqual([
    '  /slow.log stands still for 90 s, 2.0 KiB not read: reading pauses: the queue is full',
    '  /slow.log: 2 lines kept as plain text',
    '  /secret.log cannot be read for 60 m, 10 B not read: EACCES: permission denied',
    '  /gone.log\\x1b[2J vanished 1 s ago, 5 B not read: not to be found any more',
    '  /odd.log: 1 line became no record (too deep)',
    '  /odd.log: 3 lines kept as plain text (too deep)',
    '  no disk space',
  ]);
  expect(shown.join('')).not.toContain('\u001b');
  expect(jsonStatus(status).agents[0]?.sources).toMatchObject({
    streams: 4,
    files: 4,
    failing: 1,
    stuck: 1,
    vanished: 1,
    worst: [
      {
        kind: 'file',
        name: '/slow.log',
        path: '/slow.log',
        condition: 'stuck',
        forMs: 90_000,
        unreadBytes: 2048,
      },
      { condition: 'failing', readErrors: 3 },
      { condition: 'vanished' },
      { condition: 'reading', forMs: 0, failedLines: 1, unparsedLines: 3 },
    ],
  });
});

test('an agent that does not tell of its sources, and classes and conditions of a newer one', () => {
  expect(jsonStatus(withReport({})).agents[0]?.sources).toBeNull();
  const newer = create(GetStatusResponseSchema, {
    agents: [
      {
        agentId: 'a',
        report: fromJson(AgentReportSchema, {
          backlog: [{ urgency: 9 }],
          sources: { worst: [{ name: '/x', condition: 9 }] },
        }),
      },
    ],
  });
  expect(jsonStatus(newer).agents[0]).toMatchObject({
    backlog: { unspecified: { records: 0 } },
    sources: { worst: [{ condition: 'unspecified' }] },
  });
  expect(statusLines(newer).join('\n')).toContain('/x');
});
test('the oldest urgent record that no server has acknowledged stands in the second line', () => {
  const of = (urgentLag: { oldestMs?: bigint; agentId?: string }) =>
    create(GetStatusResponseSchema, { urgentLag });
  const late = of({ oldestMs: 2300n, agentId: 'web\u001b[2J' });
  expect(statusLines(late)[1]).toBe(
    'urgent   the oldest record that no server has acknowledged is 2 s old (web\\x1b[2J)',
  );
  expect(jsonStatus(late).urgentLag).toEqual({ oldestMs: 2300, agent: 'web\u001b[2J' });
  expect(statusLines(of({}))[1]).toBe('urgent   every urgent record is acknowledged');
  // A server of before it was told.
  expect(statusLines(create(GetStatusResponseSchema, {})).join('\n')).not.toContain('urgent');
  expect(jsonStatus(create(GetStatusResponseSchema, {})).urgentLag).toBeNull();
});

test('what a server gives and takes, and what keeps an agent from sending', () => {
  const status = create(GetStatusResponseSchema, {
    servers: [
      {
        ...{ serverId: 's1', state: 'connected', answering: true },
        admission: {
          ...{ draining: true, loaded: true, waitingAgents: 2, loweredAgents: 1 },
          outstandingBytes: 3n * 1024n * 1024n,
          drainBytesPerSecond: 1024n,
        },
      },
    ],
    agents: [
      {
        ...{ agentId: 'a', connected: true, urgentLagMs: 350n },
        admission: { outstandingBytes: 4096n, requestWaits: true, loweredBy: 3 },
      },
      { agentId: 'old', connected: true },
    ],
  });
  const shown = statusLines(status);
  expect(shown).toContain('server   s1  connected, answering, draining');
  expect(shown).toContain(
    '  admission 3.0 MiB granted and not used, 1.0 KiB/s leave the journal, 2 requests wait for room, ' +
      'ranked lower for 1 agent, the journal is mostly full',
  );
  expect(shown).toContain('agent    a  connected, urgent lag 350 ms, lag 0 s, 0 B not read yet');
  expect(shown).toContain('  its request waits for room at the answering server');
  expect(shown).toContain('  its channels there are ranked 3 lower');
  expect(shown).toContain('agent    old  connected, lag 0 s, 0 B not read yet');
  const json = jsonStatus(status);
  expect(json.servers[0]?.admission).toEqual({
    ...{ draining: true, loaded: true, waitingAgents: 2, loweredAgents: 1 },
    ...{ outstandingBytes: 3 * 1024 * 1024, writingBytes: 0, drainBytesPerSecond: 1024 },
  });
  expect(json.agents.map(({ urgentLagMs, admission }) => [urgentLagMs, admission])).toEqual([
    [350, { outstandingBytes: 4096, requestWaits: true, loweredBy: 3 }],
    [null, null],
  ]);
});

test('how fast each server answers an agent, and which is passed over', () => {
  const status = withReport({
    servers: [
      { serverId: 's1', blocksInFlight: 3, acknowledgedBytesPerSecond: 61_440n, usualAnswerMs: 250n },
      { serverId: 's2\u001b[2J', stalled: true },
      { serverId: 'old' },
    ],
  });
  expect(statusLines(status).filter((line) => line.startsWith('  to '))).toEqual([
    '  to s1: acknowledges 60.0 KiB/s, answers in 250 ms, 3 blocks on their way',
    '  to s2\\x1b[2J: acknowledges 0 B/s, answers in 0 s, 0 blocks on their way, stalled: passed over until it answers',
  ]);
  expect(jsonStatus(status).agents[0]?.servers[0]).toMatchObject({
    ...{ stalled: false, acknowledgedBytesPerSecond: 61_440, usualAnswerMs: 250 },
  });
});

test('what happened in the uplink: the totals, and the latest that is more than routine', () => {
  const refusals = Array.from({ length: 8 }, (_, index) => ({
    number: BigInt(index + 1),
    ...{
      atMs: BigInt(index * 1000),
      kind: UplinkEventKind.REFUSAL,
      peerId: 's1',
      reason: `no room ${index}`,
    },
  }));
  const status = withReport({
    history: [
      ...refusals,
      { kind: UplinkEventKind.GRANT, peerId: 's1', rawBytes: 5n, priorities: [1, 3] },
      {
        ...{
          atMs: 9000n,
          kind: UplinkEventKind.HEDGE,
          peerId: 's2\u001b[2J',
          reason: 's1 is \u202esilent\n',
        },
        ...{ rawBytes: 2048n, priorities: [2] },
      },
      fromJson(UplinkEventSchema, { kind: 77, peerId: 's9', reason: 'of a newer agent' }),
    ],
    historyTotals: [
      { kind: UplinkEventKind.REFUSAL, total: 8n },
      { kind: UplinkEventKind.HEDGE, total: 1n },
    ],
  });
  const shown = statusLines(status);
  const start = shown.indexOf('  uplink 8 refusals, 1 hedge');
  expect(shown.slice(start + 1)).toEqual([
    ...[4, 5, 6, 7].map((index) => `    1970-01-01T00:00:0${index}.000Z refusal s1: no room ${index}`),
    '    1970-01-01T00:00:09.000Z hedge s2\\x1b[2J: s1 is \\u202esilent\\n; priority 2; 2.0 KiB',
    '    1970-01-01T00:00:00.000Z unspecified s9: of a newer agent',
    'notices  0 priority violations told',
  ]);
  const [agent] = jsonStatus(status).agents;
  expect(agent?.history).toHaveLength(11);
  expect(agent?.history[8]).toEqual({
    ...{ server: 's1', at: '1970-01-01T00:00:00.000Z', kind: 'grant', reason: '' },
    ...{ rawBytes: 5, priorities: [1, 3] },
  });
  expect(agent?.historyTotals).toMatchObject({ request: 0, refusal: 8, hedge: 1, problem: 0 });
  // An agent of an earlier version tells nothing of it.
  expect(jsonStatus(withReport({})).agents[0]).toMatchObject({ history: [], historyTotals: { grant: 0 } });
});

test('searches are told: how many run, wait, and were sent away', () => {
  const searches = { running: 1, waiting: 4, answeredTotal: 20n, busyTotal: 3n };
  const status = create(GetStatusResponseSchema, { servers: [{ serverId: 's1', searches }] });
  expect(statusLines(status)).toContain('  searches 1 running, 4 waiting; 20 answered, 3 told to come again');
  expect(jsonStatus(status).servers[0]?.searches).toEqual({
    ...{ running: 1, waiting: 4, answered: 20, busy: 3, timedOut: 0, cancelled: 0 },
  });
});
