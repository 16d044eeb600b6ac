import { create } from '@bufbuild/protobuf';
import { timeMs } from '@sluice/protocol/brand';
import type { AgentId } from '@sluice/protocol/model';
import { AgentReportSchema } from '@sluice/wire/gen/uplink_pb';
import { expect, test } from 'vitest';
import type { Standing } from '../identity/agent-identity.ts';
import type { KnownAgent } from '../ingest/report-book.ts';
import { trustedAgents } from './gather-facts.ts';
import { findTroubles } from './health.ts';
import { NOW_MS, wellFacts } from './health-fixture.ts';
import { unsearchable } from './unsearchable.ts';

/** A session of the agent web-1. */
function session(standing: Standing, lagMs: bigint, problems: string[]): KnownAgent {
  return {
    // The brand: it is the id of the test's agent.
    agentId: 'web-1' as AgentId,
    hostName: 'host',
    connected: true,
    lastSeenMs: timeMs(NOW_MS),
    reportedMs: timeMs(NOW_MS),
    report: create(AgentReportSchema, { sentAtMs: BigInt(NOW_MS), lagMs, problems }),
    identity: { standing, shown: 'a key', address: '10.0.0.1', epoch: 1, connectedSinceMs: NOW_MS },
  };
}

test.each(['other_key', 'no_key'] as const)(
  'what a stranger (%s) says is not told as the agent is',
  (standing) => {
    const agents = trustedAgents([
      session('proven', 5n, ['its own words']),
      session(standing, 77_000_000n, ["a stranger's words"]),
    ]);
    expect(findTroubles(wellFacts({ agents }), NOW_MS)).toMatchObject([
      { code: 'agent_problem', subject: { name: 'web-1' }, values: { reason: 'its own words.' } },
    ]);
    expect([...unsearchable([], agents, NOW_MS).oldestMsByAgent]).toEqual([['web-1', 5]]);
  },
);
