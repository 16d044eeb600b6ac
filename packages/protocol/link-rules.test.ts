/** The agent on slow links, with servers that hang, and with lanes that carry nothing: U10, U13, U23, U24, and wrong grants (U3). */
import { expect, test } from 'vitest';
import { channelNumber, grantId, timeMs } from './brand.ts';
import { countSent, createClassShares } from './class-share.ts';
import {
  FIRST_WINDOW_BYTES,
  LEAST_WINDOW_BYTES,
  MAX_SHARE_CREDIT_BYTES,
  MINIMUM_SHARES,
  WINDOW_BYTES,
} from './limits.ts';
import { LinkPace } from './link-pace.ts';
import { agent as agentNamed, block, server, TestAgent } from './machine-fixture.ts';
import type { Grant, GrantedChannel } from './model.ts';
import { Yielding } from './yielding.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

test('U10 the notice comes at the first violating use, also when the outranking grant came after the first use', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S2', [2, 4], { quotaBytes: 300 });
  agent.seal(block(1));
  expect(agent.order()).toEqual(['S2/2']);
  agent.grant('S1', [1, 3]);
  agent.seal(block(2), block(3), block(4));
  expect(agent.order()).toEqual(['S2/2', 'S1/1', '!S2/2', 'S2/2', 'S2/2']);
});

test('U24 what cannot carry a block that is next is not held, and outranks nobody', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1]);
  agent.grant('S1', [3], { quotaBytes: 99 });
  agent.grant('S2', [2, 4]);
  agent.seal(block(1), block(2), block(3));
  expect(agent.order()).toEqual(['S1/1', 'S2/2', 'S2/4']);
});

test('U24 a channel without a quota ranks nobody', () => {
  for (const quotaBytes of [0, 1, 99]) {
    const agent = new TestAgent();
    agent.connect('S1', 'S2');
    const channels: GrantedChannel[] = [
      { channel: channelNumber(1), priority: 1, quotaBytes, reservedForUrgentBytes: 0 },
      { channel: channelNumber(2), priority: 4, quotaBytes: 1_000, reservedForUrgentBytes: 0 },
    ];
    agent.answer('S1', { channels });
    agent.grant('S2', [2, 3]);
    agent.seal(block(1), block(2));
    expect(agent.order()).toEqual(['S2/2', 'S2/3']);
  }
});

test('U7 a block that is larger than every quota holds up no smaller one', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 100 * KIB });
  agent.seal(block(1, 'normal', MIB), block(2, 'normal', 2_000), block(3, 'normal', 50 * KIB));
  expect(agent.sent()).toEqual(['2@S1', '3@S1']);
  agent.after(100);
  agent.grant('S1', [1], { quotaBytes: 2 * MIB });
  agent.acknowledge('S1', 2);
  agent.acknowledge('S1', 3);
  expect(agent.sent().at(-1)).toBe('1@S1');
});

test('U23 the window follows what the server acknowledges', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 100 * MIB });
  const sent = (): number => agent.sent().length;
  for (let sequence = 1; sequence <= 100; sequence += 1) agent.seal(block(sequence, 'bulk', 64 * KIB));
  // Nothing is known of the link.
  expect(sent()).toBe(FIRST_WINDOW_BYTES / (64 * KIB));
  // One block in 100 ms are 3.5 in 350 ms: more is on its way already.
  agent.nowMs += 100;
  agent.acknowledge('S1', 1);
  expect(sent()).toBe(16);
  // 12 blocks in the same time are 42.
  for (let sequence = 2; sequence <= 12; sequence += 1) agent.acknowledge('S1', sequence);
  expect(sent()).toBe(12 + 42);
});

test('U23 the rate is that of delivery: small at a slow link, however much is on its way', () => {
  const pace = new LinkPace();
  expect(pace.windowBytes(WINDOW_BYTES)).toBe(FIRST_WINDOW_BYTES);
  const marks = [pace.sent(true, 0), pace.sent(false, 0), pace.sent(false, 0), pace.sent(false, 0)];
  for (const [index, mark] of marks.entries()) pace.answered(mark, MIB, (index + 1) * 1_000);
  expect(pace.rate).toBeCloseTo(MIB / 1_000, 5);
  expect(pace.windowBytes(WINDOW_BYTES)).toBeCloseTo(MIB / 2, 5);
  // After a while with nothing on its way the link may be another one.
  const mark = pace.sent(true, 100_000);
  expect(pace.windowBytes(WINDOW_BYTES)).toBe(FIRST_WINDOW_BYTES);
  pace.answered(mark, 1_000, 101_000);
  expect(pace.windowBytes(WINDOW_BYTES)).toBe(LEAST_WINDOW_BYTES);
});

test('U23 a block that is larger than the window has another one behind it when it takes no long time', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 100 * MIB });
  const sentTo = (): number => agent.sent().length;
  for (let sequence = 1; sequence <= 20; sequence += 1) agent.seal(block(sequence, 'bulk', 2 * MIB));
  expect(sentTo()).toBe(1);
  // 2 MiB in 800 ms: a window of 1.25 MiB, and 800 ms for each block.
  agent.after(800);
  agent.acknowledge('S1', 1);
  expect(sentTo()).toBe(3);
  // 2 MiB in 4 s each: that would be too long for an urgent one behind them.
  agent.after(4_000);
  agent.acknowledge('S1', 2);
  agent.after(4_000);
  agent.acknowledge('S1', 3);
  agent.after(4_000);
  agent.acknowledge('S1', 4);
  expect(sentTo()).toBe(5);
});

test('U13 a full window without an answer for a second is a stall: the other server goes on', () => {
  const agent = new TestAgent({ windowBytes: 200 });
  agent.connect('S1', 'S2');
  agent.grant('S1', [1, 2], { quotaBytes: 10_000 });
  agent.grant('S2', [3], { quotaBytes: 10_000 });
  agent.seal(block(1, 'bulk'));
  agent.after(10);
  agent.acknowledge('S1', 1);
  for (let sequence = 2; sequence <= 5; sequence += 1) agent.seal(block(sequence, 'bulk'));
  agent.after(999);
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1']);
  agent.after(1);
  // Not its next channel: the server is silent, and not one of its channels.
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1', '4@S2', '5@S2']);
  agent.seal(block(6, 'bulk'));
  agent.acknowledge('S1', 2);
  expect(agent.sent().at(-1)).toBe('6@S1');
});

test('U13 what another server answered is still owed: a silent server does not come back by that', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000 });
  agent.seal(block(1, 'urgent'));
  agent.after(2_000);
  expect(agent.sent()).toEqual(['1@S1', '1@S2?S1']);
  agent.acknowledge('S2', 1);
  agent.after(8_000);
  agent.seal(block(2, 'urgent'));
  expect(agent.sent().at(-1)).toBe('2@S2');
});

test('U23 an urgent block that is not answered in twice the usual time goes to the next server too, marked', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000 });
  agent.seal(block(1, 'urgent'));
  agent.after(200);
  agent.acknowledge('S1', 1);
  agent.seal(block(2, 'urgent'), block(3, 'bulk'));
  agent.after(399);
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1']);
  agent.after(1);
  expect(agent.sent()).toEqual(['1@S1', '2@S1', '3@S1', '2@S2?S1']);
  // Once, and whoever answers first settles it.
  agent.after(300);
  expect(agent.sent()).toHaveLength(4);
  const effects = agent.acknowledge('S2', 2);
  expect(effects[0]).toEqual({ type: 'forget_block', blockId: block(2).id });
  expect(agent.acknowledge('S1', 2).filter(({ type }) => type === 'forget_block')).toEqual([]);
  expect(agent.machine.view(timeMs(agent.nowMs)).historyTotals.get('hedge')).toBe(1);
});

test('U23 a block with two copies waits for the one that is left when a server is lost', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000 });
  agent.seal(block(1, 'urgent'));
  agent.after(1_000);
  expect(agent.sent()).toEqual(['1@S1', '1@S2?S1']);
  agent.step({ type: 'server_disconnected', serverId: server('S1') });
  expect(agent.sent()).toHaveLength(2);
  agent.step({ type: 'server_disconnected', serverId: server('S2') });
  agent.connect('S1');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  // It waits for the server that it was at last; the other one gets it after the time in doubt, marked.
  expect(agent.sent()).toHaveLength(2);
  agent.after(30_000);
  expect(agent.sent().at(-1)).toBe('1@S1?S2');
});

test('U23 second copies are few: their bytes are a part of the urgent ones', () => {
  const agent = new TestAgent({ hedgeCreditBytes: 250 });
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000 });
  agent.seal(block(1, 'urgent'), block(2, 'urgent'), block(3, 'urgent'), block(4, 'urgent'));
  agent.after(1_500);
  expect(agent.sent().slice(4)).toEqual(['1@S2?S1', '2@S2?S1']);
});

test('U23 nothing is hedged to a server that is late itself, and no notice comes with a copy for the late one', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1, 3], { quotaBytes: 100 });
  agent.grant('S2', [2, 4], { quotaBytes: 1_000 });
  agent.seal(block(1, 'urgent'));
  agent.after(1_000);
  expect(agent.order()).toEqual(['S1/1', 'S2/2']);
  const late = new TestAgent();
  late.connect('S1', 'S2');
  late.grant('S1', [1], { quotaBytes: 100 });
  late.grant('S2', [2], { quotaBytes: 1_000 });
  late.seal(block(1, 'urgent'), block(2, 'urgent'));
  late.after(5_000);
  expect(late.sent()).toEqual(['1@S1', '2@S2']);
});

test('U13 a computer that slept takes no server for dead', () => {
  const agent = new TestAgent();
  agent.connect('S1', 'S2');
  agent.grant('S1', [1], { quotaBytes: 10_000, lifetimeMs: 10 * 3_600_000 });
  agent.grant('S2', [2], { quotaBytes: 10_000, lifetimeMs: 10 * 3_600_000 });
  agent.seal(block(1, 'urgent'));
  agent.sleep(3_600_000);
  agent.seal(block(2, 'urgent'));
  expect(agent.sent()).toEqual(['1@S1', '2@S1']);
  agent.after(1_000);
  expect(agent.sent()).toContain('1@S2?S1');
});

test('U6 agents spread over servers of equal priority, and keep to the same one', () => {
  const firstOf = (name: string): string | undefined => {
    const agent = new TestAgent({ agentId: agentNamed(name) });
    agent.connect('S1', 'S2', 'S3');
    for (const other of ['S1', 'S2', 'S3']) agent.grant(other, [1]);
    agent.seal(block(1));
    return agent.order()[0];
  };
  const counts = new Map<string | undefined, number>();
  for (let number = 0; number < 300; number += 1) {
    const first = firstOf(`host-${number}`);
    counts.set(first, (counts.get(first) ?? 0) + 1);
    if (number % 50 === 0) expect(firstOf(`host-${number}`)).toBe(first);
  }
  expect([...counts.keys()].sort()).toEqual(['S1/1', 'S2/1', 'S3/1']);
  for (const count of counts.values()) expect(count).toBeGreaterThan(60);
});

const problemsOf = (agent: TestAgent): string[] =>
  agent.effects.flatMap((effect) => (effect.type === 'peer_problem' ? [effect.problem] : []));
const requestsOf = (agent: TestAgent): number =>
  agent.effects.filter(({ type }) => type === 'send_request').length;

test('U3 an agent asks a server that grants too little ever less often, and says so', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.seal(block(1));
  agent.nowMs += 100;
  const untilMs = agent.nowMs + 60_000;
  agent.grant('S1', [1], { quotaBytes: 1 });
  let answered = requestsOf(agent);
  while (agent.nowMs < untilMs) {
    agent.after(10);
    if (requestsOf(agent) === answered) continue;
    answered = requestsOf(agent);
    agent.grant('S1', [1], { quotaBytes: 1 });
  }
  expect(requestsOf(agent)).toBeLessThan(16);
  expect(problemsOf(agent)[0]).toMatch(/a grant of 1 bytes at most on a channel/);
  // One that is of use makes up for it.
  agent.after(20_000);
  agent.grant('S1', [1], { quotaBytes: 1_000 });
  expect(agent.sent()).toEqual(['1@S1']);
});

test('U3 a refusal of absurd length silences nobody for longer than a minute and the jitter', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  agent.answer('S1', { channels: [], lifetimeMs: 0, refusalReason: 'overloaded', retryAfterMs: 1e15 });
  agent.after(59_999);
  expect(requestsOf(agent)).toBe(1);
  agent.after(30_001);
  expect(requestsOf(agent)).toBeGreaterThan(1);
});

test('U15 what a class saves up has a bound', () => {
  const shares = createClassShares(MINIMUM_SHARES);
  for (let count = 0; count < 1_000; count += 1) countSent(shares, 0, 4 * MIB, false, () => true);
  expect(shares.creditBytes).toEqual([0, ...[1, 2, 3].map(() => MAX_SHARE_CREDIT_BYTES)]);
});

test('U3 what is wrong with a grant is said, and gives no channel', () => {
  const agent = new TestAgent();
  agent.connect('S1');
  const grant = agent.grant('S1', [1]);
  const said = (wrong: Partial<Grant>): string | undefined => {
    agent.step({ type: 'grant_received', serverId: server('S1'), grant: { ...grant, ...wrong } });
    return problemsOf(agent).at(-1);
  };
  expect(said({})).toBe('a grant that answers no open request');
  agent.after(20_000);
  agent.answer('S1', { lifetimeMs: 0 });
  expect(problemsOf(agent).at(-1)).toBe('a grant without a lifetime');
  agent.after(20_000);
  agent.answer('S1', { grantId: grant.grantId });
  expect(problemsOf(agent).at(-1)).toBe('a grant that it gave before');
  const [channel] = grant.channels;
  agent.after(20_000);
  agent.answer('S1', {
    grantId: grantId('other'),
    channels: channel === undefined ? [] : [channel, channel],
  });
  expect(problemsOf(agent).at(-1)).toBe('a grant that names a channel twice');
  const kinds = agent.machine.view(timeMs(agent.nowMs)).history.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'problem')).toHaveLength(4);
});

test('U11 a notice of lower priorities does not let the channels move up again', () => {
  const yielding = new Yielding(60_000);
  const told = agentNamed('a');
  yielding.told(told, 5, 1_000);
  yielding.told(told, 2, 2_000);
  expect(yielding.shiftOf(told, 61_999)).toBe(5);
  expect(yielding.shiftOf(told, 62_000)).toBe(0);
});
