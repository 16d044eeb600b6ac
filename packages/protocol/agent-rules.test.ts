import { expect, test } from 'vitest';
import { channelNumber, grantId, timeMs } from './brand.ts';
import {
  MAX_REQUESTS_REMEMBERED,
  MAX_SERVERS_REMEMBERED,
  MIN_REQUEST_INTERVAL_MS,
  REFRESH_INTERVAL_MS,
} from './limits.ts';
import { block, server, TestAgent } from './machine-fixture.ts';
import type { RequestId } from './model.ts';

const requestsTo = (agent: TestAgent): string[] =>
  agent.effects.flatMap((effect) => (effect.type === 'send_request' ? [String(effect.serverId)] : []));

test('M2 U1 every connected server is asked, a silent one delays no other', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  expect(requestsTo(agent)).toEqual(['S1', 'S2']);
  agent.grant('S2', [2]);
  agent.seal(block(1));
  expect(agent.order()).toEqual(['S2/2']);
});

test('M1 U2 a request says what waits per class', () => {
  const agent = new TestAgent();
  agent.seal(block(1, 'bulk'), block(2, 'urgent'), block(3, 'bulk'));
  agent.connect('S1');
  const request = agent.effects.find((effect) => effect.type === 'send_request');
  expect(request?.request.backlog).toEqual([
    { urgency: 'urgent', recordCount: 1, rawBytes: 100, oldestAgeMs: 1000, nextBlockRawBytes: 100 },
    { urgency: 'bulk', recordCount: 2, rawBytes: 200, oldestAgeMs: 1000, nextBlockRawBytes: 100 },
  ]);
});

test('U2 asks ahead when half of the quota is used, and not before', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 400 });
  agent.nowMs += 100;
  agent.seal(block(1), block(2));
  expect(requestsTo(agent)).toEqual(['S1']);
  agent.seal(block(3));
  expect(requestsTo(agent)).toEqual(['S1', 'S1']);
});

test('U2 a request closes what is left of earlier grants and fits no block that is next', () => {
  const agent = new TestAgent();
  const closedAt = (): unknown => {
    const request = agent.effects.findLast((effect) => effect.type === 'send_request');
    return request?.type === 'send_request' ? request.request.closedChannels : undefined;
  };
  agent.connect('S1');
  const first = agent.grant('S1', [1, 2], { quotaBytes: 150 });
  agent.nowMs += 100;
  agent.seal(block(1), block(2), block(3), block(4));
  // The latest grant keeps its remains: a small urgent block may come.
  expect(agent.sent()).toEqual(['1@S1', '2@S1']);
  expect(closedAt()).toBeUndefined();
  agent.nowMs += 100;
  agent.grant('S1', [3], { quotaBytes: 150 });
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1']);
  expect(closedAt()).toEqual([
    { grantId: first.grantId, channel: 1, usedBytes: 100 },
    { grantId: first.grantId, channel: 2, usedBytes: 100 },
  ]);
  // Nothing more goes out on them, however small; and it is told once.
  agent.nowMs += 100;
  agent.seal(block(5, 'urgent', 40));
  expect(agent.order().at(-1)).toBe('S1/3');
  agent.nowMs += 100;
  agent.grant('S1', []);
  agent.after(1_000);
  expect(closedAt()).toBeUndefined();
});

test('U2 what was taken back, or ended, with quota left is closed with the next request', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  const { grantId } = agent.grant('S1', [1], { quotaBytes: 1_000, lifetimeMs: 1_000 });
  agent.seal(block(1));
  const [request] = agent.sleep(1_000).filter(({ type }) => type === 'send_request');
  expect(request).toMatchObject({ request: { closedChannels: [{ grantId, channel: 1, usedBytes: 100 }] } });
  const later = agent.grant('S1', [1], { quotaBytes: 1_000 });
  agent.nowMs += 100;
  const effects = agent.step({ type: 'revoked', serverId: server('S1') });
  const again = effects.find(({ type }) => type === 'send_request');
  expect(again).toMatchObject({ request: { closedChannels: [{ grantId: later.grantId, usedBytes: 0 }] } });
});

test('U17 what a server asks back is told at once, also while it owes an answer', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  const { grantId } = agent.grant('S1', [1], { quotaBytes: 1_000 });
  agent.nowMs += 100;
  agent.seal(block(1, 'bulk', 900), block(2, 'bulk', 900));
  expect(requestsTo(agent)).toEqual(['S1', 'S1']);
  agent.nowMs += 100;
  const effects = agent.step({ type: 'revoked', serverId: server('S1'), grantId });
  expect(effects).toMatchObject([
    { type: 'send_request', request: { closedChannels: [{ grantId, channel: 1, usedBytes: 900 }] } },
    { type: 'wake_at' },
  ]);
  // What there is nothing left of is no reason to ask.
  agent.nowMs += 100;
  expect(agent.step({ type: 'revoked', serverId: server('S1'), grantId })).toEqual([]);
});

test('U2 an answer to a replaced request is used, and no reason to ask again: that to the latest one is to come', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  const { requestId } = agent.grant('S1', [], {});
  agent.sleep(1_000);
  agent.seal(block(1, 'bulk', 900));
  agent.sleep(100);
  agent.seal(block(2, 'urgent', 900));
  const asked = agent.effects.flatMap((effect) => (effect.type === 'send_request' ? [effect.request] : []));
  const [first, second] = asked.slice(-2);
  expect(requestsTo(agent)).toHaveLength(3);
  expect(first?.requestId).toBeGreaterThan(requestId);
  agent.nowMs += 100;
  const channels = [{ channel: channelNumber(1), priority: 1, quotaBytes: 900, reservedForUrgentBytes: 0 }];
  const answer = (id: RequestId, name: string): unknown =>
    agent.step({
      ...{ type: 'grant_received', serverId: server('S1') },
      grant: { grantId: grantId(name), requestId: id, channels, lifetimeMs: 60_000 },
    });
  if (first === undefined || second === undefined) throw new Error('two requests are wanted');
  answer(first.requestId, 'early');
  expect(agent.sent()).toEqual(['2@S1']);
  expect(requestsTo(agent)).toHaveLength(3);
  answer(second.requestId, 'late');
  expect(agent.sent()).toEqual(['2@S1', '1@S1']);
  expect(requestsTo(agent)).toHaveLength(4);
});

test('U17 U19 what is asked back is told at most with as many requests as a grant may answer, until one is answered', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  const grants = Array.from({ length: MAX_REQUESTS_REMEMBERED + 2 }, () => {
    const grant = agent.grant('S1', [1], { quotaBytes: 1_000, lifetimeMs: 3_600_000 });
    // The latest one is left unanswered.
    agent.after(REFRESH_INTERVAL_MS);
    return grant;
  });
  const before = requestsTo(agent).length;
  for (const { grantId } of grants) {
    agent.nowMs += MIN_REQUEST_INTERVAL_MS;
    agent.step({ type: 'revoked', serverId: server('S1'), grantId });
  }
  expect(requestsTo(agent).length - before).toBe(MAX_REQUESTS_REMEMBERED - 1);
  agent.nowMs += MIN_REQUEST_INTERVAL_MS;
  agent.grant('S1', []);
  agent.after(1_000);
  const request = agent.effects.findLast((effect) => effect.type === 'send_request');
  expect(request).toMatchObject({
    request: {
      closedChannels: grants.slice(MAX_REQUESTS_REMEMBERED - 1).map(({ grantId }) => ({ grantId })),
    },
  });
});

test('M3 U3 an answer to no request gives nothing; a refusal is waited out with jitter', () => {
  const agent = new TestAgent();
  agent.seal(block(1));
  agent.connect('S1');
  const grant = agent.grant('S1', []);
  expect(agent.after(99).filter(({ type }) => type === 'send_request')).toEqual([]);
  expect(agent.after(51).filter(({ type }) => type === 'send_request')).toHaveLength(1);
  const channels = [{ channel: channelNumber(1), priority: 1, quotaBytes: 1000, reservedForUrgentBytes: 0 }];
  const stray = { ...grant, channels, lifetimeMs: 1000 };
  agent.step({ type: 'grant_received', serverId: server('S1'), grant: stray });
  expect(agent.order()).toEqual([]);
});

test('U4 nothing is sent after expiry or revocation', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { lifetimeMs: 1000 });
  agent.grant('S2', [2]);
  agent.step({ type: 'revoked', serverId: server('S2') });
  agent.nowMs += 1000;
  agent.seal(block(1));
  expect(agent.order()).toEqual([]);
});

test('U8 only urgent blocks use the reserve', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 200, reservedForUrgentBytes: 100 });
  agent.seal(block(1, 'bulk'), block(2, 'bulk'), block(3, 'urgent'));
  expect(agent.sent()).toEqual(['1@S1', '3@S1']);
});

test('U12 forgotten only when acknowledged; malformed is set aside; retryable is sent again', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 1000 });
  agent.seal(block(1), block(2));
  expect(agent.acknowledge('S1', 1)[0]).toEqual({ type: 'forget_block', blockId: block(1).id });
  const refuse = (kind: 'malformed' | 'retryable'): unknown =>
    agent.step({
      ...{ type: 'block_refused' as const, serverId: server('S1'), blockId: block(2).id },
      refusal: { kind, reason: 'because' },
    })[0];
  refuse('retryable');
  agent.after(250);
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '2@S1']);
  expect(refuse('malformed')).toEqual({ type: 'set_aside_block', blockId: block(2).id, reason: 'because' });
});

test('U13 a stalled server is skipped, and used again when it answers', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 1000 });
  agent.grant('S2', [2], { quotaBytes: 1000 });
  agent.seal(block(1));
  agent.after(10_000);
  agent.seal(block(2));
  agent.acknowledge('S1', 1);
  agent.seal(block(3));
  expect(agent.sent()).toEqual(['1@S1', '2@S2', '3@S1']);
});

test('U14 a server that returns in time gets its blocks in doubt first, unmarked', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1]);
  agent.seal(block(1), block(2));
  agent.step({ type: 'server_disconnected', serverId: server('S1') });
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 1000 });
  expect(agent.sent()).toEqual(['1@S1', '1@S1', '2@S1']);
});

test('U15 classes behind an endless storm keep their share', () => {
  const agent = new TestAgent({ minimumShares: { urgent: 0, elevated: 0.1, normal: 0.1, bulk: 0.05 } });
  agent.connect('S1');
  for (let sequence = 1; sequence <= 100; sequence += 1) agent.seal(block(sequence, 'bulk'));
  for (let sequence = 101; sequence <= 1100; sequence += 1) agent.seal(block(sequence, 'urgent'));
  agent.grant('S1', [1], { quotaBytes: 100_000 });
  const bulk = agent.sent().filter((sent) => Number(sent.split('@')[0]) <= 100).length;
  expect(agent.sent()).toHaveLength(1000);
  expect(bulk / 1000).toBeCloseTo(0.05, 2);
});

test('U21 a stopping agent sends and asks nothing more, and still hears acknowledgements', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 1000 });
  agent.seal(block(1));
  agent.step({ type: 'stopping' });
  expect(agent.seal(block(2)).filter(({ type }) => type !== 'wake_at')).toEqual([]);
  expect(agent.acknowledge('S1', 1)[0]?.type).toBe('forget_block');
});

test('U19 a grant past the limits gives no channel', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant(
    'S1',
    Array.from({ length: 17 }, (_, index) => index + 1),
  );
  agent.seal(block(1));
  expect(agent.order()).toEqual([]);
});

test('U14 a block found in doubt at the start is marked also at the server of the note', () => {
  const agent = new TestAgent();
  // The note names the latest server only: it was at another one before, perhaps.
  agent.step({ type: 'block_sealed', block: block(1), inDoubtAt: server('S2') });
  agent.connect('S2');
  agent.grant('S2', [1]);
  expect(agent.sent()).toEqual(['1@S2?S2']);
});

test('U14 a refusal takes back no doubt of an earlier send', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.seal(block(1));
  agent.grant('S1', [1], { quotaBytes: 1000 });
  agent.step({ type: 'server_disconnected', serverId: server('S1') });
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 1000 });
  // From the own queue, which could not note the second send: the first one may have arrived.
  const refusal = { kind: 'retryable' as const, reason: 'the queue failed' };
  agent.connect('S2');
  agent.grant('S2', [1], { quotaBytes: 1000 });
  agent.after(10_000);
  agent.step({ type: 'block_refused', serverId: server('S1'), blockId: block(1).id, refusal });
  expect(agent.sent()).toEqual(['1@S1', '1@S1']);
  agent.after(250);
  expect(agent.sent()).toEqual(['1@S1', '1@S1', '1@S1']);
  agent.after(20_000);
  agent.step({ type: 'block_refused', serverId: server('S1'), blockId: block(1).id, refusal });
  // The time in doubt counts from the loss of the connection, not from the refusals.
  expect(agent.sent()).toEqual(['1@S1', '1@S1', '1@S1', '1@S2?S1']);
});

test('U7 U8 the window: bulk waits in the machine when it is full, an urgent block goes at once', () => {
  const agent = new TestAgent({ windowBytes: 250 });
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000 });
  for (let sequence = 1; sequence <= 5; sequence += 1) agent.seal(block(sequence, 'bulk'));
  // The third one brings it past the window; a lower channel takes nothing meanwhile.
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1']);
  agent.seal(block(6, 'urgent'));
  expect(agent.sent().at(-1)).toBe('6@S1');
  agent.acknowledge('S1', 6);
  expect(agent.sent()).toHaveLength(4);
  agent.acknowledge('S1', 1);
  expect(agent.sent().at(-1)).toBe('4@S1');
});

test('U7 a full window lets a channel of equal priority at another server take the block', () => {
  const agent = new TestAgent({ windowBytes: 200 });
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [1], { quotaBytes: 10_000 });
  for (let sequence = 1; sequence <= 5; sequence += 1) agent.seal(block(sequence, 'bulk'));
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S2', '4@S2']);
});

test('U2 a full window is no reason to ask, a quota that runs out before the backlog is', () => {
  const agent = new TestAgent({ windowBytes: 200 });
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 800 });
  agent.nowMs += 100;
  for (let sequence = 1; sequence <= 5; sequence += 1) agent.seal(block(sequence, 'bulk'));
  expect(requestsTo(agent)).toHaveLength(1);
});

test('U19 an agent forgets servers that come back under ever new names', () => {
  const agent = new TestAgent();
  agent.connect('S');
  for (let life = 0; life < 2 * MAX_SERVERS_REMEMBERED; life += 1) {
    agent.connect(`S.${life}`);
    agent.step({ type: 'server_disconnected', serverId: server(`S.${life}`) });
  }
  const { servers } = agent.machine.view(timeMs(agent.nowMs));
  expect(servers).toHaveLength(MAX_SERVERS_REMEMBERED);
  expect(servers[0]).toMatchObject({ serverId: 'S', connected: true });
});
