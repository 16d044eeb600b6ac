import { expect, test } from 'vitest';
import { grantId, requestId, timeMs } from './brand.ts';
import { block, server, TestAgent } from './machine-fixture.ts';

const S1 = server('s1');

function told(agent: TestAgent): string[] {
  const { history } = agent.machine.view(timeMs(agent.nowMs));
  return history.map(({ kind, serverId, reason }) => `${kind} ${serverId}: ${reason}`);
}

function refuse(agent: TestAgent, request: number): void {
  agent.step({
    ...{ type: 'grant_received', serverId: S1 },
    grant: {
      ...{ grantId: grantId('g'), requestId: requestId(request), channels: [], lifetimeMs: 0 },
      ...{ refusalReason: 'overloaded', retryAfterMs: 1000 },
    },
  });
}

test('an agent tells what it asked, what was granted, refused and taken back, each with why', () => {
  const agent = new TestAgent();
  agent.connect('s1');
  refuse(agent, 1);
  // Answers nothing that was asked.
  refuse(agent, 1);
  agent.seal(block(1, 'urgent'));
  agent.after(2000);
  agent.grant('s1', [1, 3], { quotaBytes: 150 });
  agent.step({ type: 'revoked', serverId: S1 });
  expect(told(agent).slice(0, 6)).toEqual([
    'request s1: connected',
    expect.stringMatching(/^refusal s1: overloaded, again in 1\d\d\d ms$/),
    'problem s1: a grant that answers no open request',
    'request s1: the next block fits no quota',
    'grant s1: answers request 2',
    'recall s1: all grants',
  ]);
  const { history, historyTotals } = agent.machine.view(timeMs(agent.nowMs));
  expect(history[4]).toMatchObject({ number: 5, rawBytes: 300, priorities: [1, 3] });
  expect(historyTotals.get('refusal')).toBe(1);
});

test('a notice is told with who outranks', () => {
  const agent = new TestAgent();
  agent.connect('s1', 's2');
  agent.grant('s1', [1, 3]);
  agent.grant('s2', [2, 4]);
  agent.seal(block(1), block(2));
  expect(told(agent)).toContain('notice s2: outranked by s1 (3)');
});

test('a server that owes an answer for too long is told of, once', () => {
  const agent = new TestAgent({ windowBytes: 50 });
  agent.connect('s1', 's2');
  agent.grant('s1', [1], { quotaBytes: 1_000 });
  agent.seal(block(2));
  agent.acknowledge('s1', 2);
  agent.seal(block(1, 'urgent'));
  const stalls = () => told(agent).filter((line) => line.startsWith('stall'));
  agent.after(900);
  expect(stalls()).toEqual([]);
  agent.after(100);
  agent.after(5_000);
  expect(stalls()).toEqual(['stall s1: no answer for 1000 ms']);
});

test('an urgent block that goes to a second server is told of, with the first one', () => {
  const agent = new TestAgent();
  agent.connect('s1', 's2');
  agent.grant('s1', [1], { quotaBytes: 1_000 });
  agent.grant('s2', [2], { quotaBytes: 1_000 });
  agent.seal(block(1, 'urgent'));
  agent.after(1_000);
  expect(told(agent)).toContain('hedge s2: s1 did not answer in time');
  expect(agent.machine.view(timeMs(agent.nowMs)).historyTotals.get('hedge')).toBe(1);
});

test('the urgent lag is the age of the oldest urgent record alone', () => {
  const agent = new TestAgent();
  const lag = (): number => agent.machine.view(timeMs(agent.nowMs)).urgentLagMs;
  agent.seal(block(1, 'bulk'));
  expect(lag()).toBe(0);
  agent.seal(block(2, 'urgent'));
  agent.nowMs += 500;
  expect(lag()).toBe(agent.nowMs);
  agent.connect('s1');
  agent.grant('s1', [1]);
  agent.acknowledge('s1', 2);
  expect(lag()).toBe(0);
});
