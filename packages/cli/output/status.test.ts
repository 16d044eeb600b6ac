import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@sluice/wire/gen/query_pb';
import { AgentReportSchema, SourceCondition } from '@sluice/wire/gen/uplink_pb';
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
test('searches are told: how many run, wait, and were sent away', () => {
  const searches = { running: 1, waiting: 4, answeredTotal: 20n, busyTotal: 3n };
  const status = create(GetStatusResponseSchema, { servers: [{ serverId: 's1', searches }] });
  expect(statusLines(status)).toContain('  searches 1 running, 4 waiting; 20 answered, 3 told to come again');
  expect(jsonStatus(status).servers[0]?.searches).toEqual({
    ...{ running: 1, waiting: 4, answered: 20, busy: 3, timedOut: 0, cancelled: 0 },
  });
});
