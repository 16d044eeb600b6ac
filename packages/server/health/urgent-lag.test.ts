import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AgentReportSchema, UrgencyClass } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import type { AgentFacts } from './health-facts.ts';
import { FRESH_REPORT_MS, urgentLag } from './urgent-lag.ts';

const REPORTED_MS = 50_000;
const NOW_MS: number = REPORTED_MS + FRESH_REPORT_MS;

function agent(
  agentId: string,
  report: MessageInitShape<typeof AgentReportSchema> | undefined,
  connected = true,
): AgentFacts {
  return {
    ...{ agentId, connected, lastSeenMs: REPORTED_MS, reportedMs: REPORTED_MS },
    report: report && create(AgentReportSchema, report),
  };
}

const urgent = (recordCount: bigint, oldestAgeMs: bigint) => ({
  backlog: [
    { urgency: UrgencyClass.BULK, recordCount: 9n, oldestAgeMs: 90_000n },
    { urgency: UrgencyClass.URGENT, recordCount, oldestAgeMs },
  ],
});

test('the oldest of all connected agents, and whose it is', () => {
  const lag = urgentLag([agent('a', { urgentLagMs: 120n }), agent('b', { urgentLagMs: 340n })], NOW_MS);
  expect(lag).toEqual({
    oldestMs: 340,
    agentId: 'b',
    msByAgent: new Map([
      ['a', 120],
      ['b', 340],
    ]),
  });
});

test('nothing urgent waits: 0, however much else does', () => {
  const agents = [agent('a', { ...urgent(0n, 0n), urgentLagMs: 0n }), agent('silent', undefined)];
  const lag = urgentLag(agents, NOW_MS + 60_000);
  expect(lag).toEqual({ oldestMs: 0, agentId: undefined, msByAgent: new Map([['a', 0]]) });
});

test('a report is good for as long as the next one takes, then the record has waited since', () => {
  const agents = [agent('a', { urgentLagMs: 500n })];
  expect(urgentLag(agents, NOW_MS).oldestMs).toBe(500);
  expect(urgentLag(agents, NOW_MS + 1).oldestMs).toBe(500 + FRESH_REPORT_MS + 1);
});

test('a record that was told of when it had just come grows older too', () => {
  const agents = [agent('a', { ...urgent(1n, 0n), urgentLagMs: 0n })];
  expect(urgentLag(agents, NOW_MS + 1).oldestMs).toBe(FRESH_REPORT_MS + 1);
});

test('an agent of an earlier version tells it in its backlog', () => {
  const lag = urgentLag([agent('a', urgent(3n, 700n))], NOW_MS);
  expect(lag).toMatchObject({ oldestMs: 700, agentId: 'a' });
});

test('what an agent that is gone told of stands still, and is not in the figure of all', () => {
  const lag = urgentLag([agent('a', { urgentLagMs: 800n }, false)], NOW_MS + 60_000);
  expect(lag).toEqual({ oldestMs: 0, agentId: undefined, msByAgent: new Map([['a', 800]]) });
});

test('several sessions of one agent are one: the older counts', () => {
  const lag = urgentLag([agent('a', { urgentLagMs: 900n }), agent('a', { urgentLagMs: 10n })], NOW_MS);
  expect(lag.msByAgent).toEqual(new Map([['a', 900]]));
});
