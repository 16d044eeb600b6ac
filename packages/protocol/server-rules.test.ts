import { describe, expect, test } from 'vitest';
import { channelNumber, requestId, timeMs } from './brand.ts';
import {
  BACKLOG_FLOOR_BYTES,
  CHANNEL_QUOTA_BYTES,
  DRAIN_WINDOW_MS,
  FIRST_HELD_BYTES,
  IDLE_QUOTA_BYTES,
  LEAST_AWAY_BACKLOG_BYTES,
  LOADED_FRACTION,
  MAX_ANSWERS_PER_BLOCK,
  MAX_GRANTS_PER_AGENT,
  MAX_GRANTS_RECALLED_AT_ONCE,
  MAX_HELD_BYTES,
  RECALL_ANSWER_MS,
  RECALL_UNUSED_MS,
  UNLOADED_FRACTION,
} from './limits.ts';
import { agent, block, server } from './machine-fixture.ts';
import { stamp } from './machine-runner.ts';
import type { AgentId, Grant } from './model.ts';
import { MAX_BLOCK_RAW_BYTES } from './model.ts';
import type { ServerEffect, UntimedServerEvent } from './server-events.ts';
import type { ServerMachineOptions } from './server-machine.ts';
import { createServerMachine } from './server-machine.ts';

const A = agent('a');

function start(
  options: Partial<ServerMachineOptions> = {},
  roomBytes = 100 * MAX_BLOCK_RAW_BYTES,
): {
  step(event: UntimedServerEvent, atMs?: number): ServerEffect[];
  ask(id: number, atMs?: number): Grant | undefined;
} {
  const machine = createServerMachine({ serverId: server('S2'), instance: 'i', ...options });
  const step = (event: UntimedServerEvent, atMs = 1): ServerEffect[] =>
    machine.step(stamp(event, timeMs(atMs)));
  step({ type: 'journal_room_changed', roomBytes });
  step({ type: 'agent_connected', agentId: A });
  const ask = (id: number, atMs = 1): Grant | undefined =>
    step({ type: 'request_received', agentId: A, request: { requestId: requestId(id), backlog: [] } }, atMs)
      .flatMap((effect) => (effect.type === 'send_grant' ? [effect.grant] : []))
      .at(0);
  return { step, ask };
}

const at = (grant: Grant | undefined) => {
  if (grant === undefined) throw new Error('no grant');
  return { agentId: A, grantId: grant.grantId, channel: channelNumber(1) };
};

test('M3 U3 a grant names its request; an idle agent holds quota on every channel', () => {
  const grant = start().ask(5);
  expect(grant?.requestId).toBe(5);
  expect(grant?.channels.map(({ priority }) => priority)).toEqual([1, 2]);
  expect(grant?.channels[0]?.reservedForUrgentBytes).toBeGreaterThan(0);
});

test('U17 a request without room waits, is answered when room appears, refused after a while', () => {
  const server = start({}, 0);
  expect(server.ask(1)).toBeUndefined();
  const effects = server.step({ type: 'journal_room_changed', roomBytes: 10 * MAX_BLOCK_RAW_BYTES }, 2);
  expect(effects[0]).toMatchObject({ type: 'send_grant', grant: { requestId: 1 } });
  const full = start({}, 0);
  full.ask(1);
  expect(full.step({ type: 'woken' }, 5_001)[0]).toMatchObject({
    grant: { channels: [], refusalReason: 'overloaded', retryAfterMs: 1_000 },
  });
});

test('U17 under a limit a grant is as large as the next block, so that little of it ends unused', () => {
  const nextBlockRawBytes = MAX_BLOCK_RAW_BYTES / 2 + 1;
  const backlog = {
    urgency: 'bulk',
    recordCount: 9,
    rawBytes: 20 * nextBlockRawBytes,
    oldestAgeMs: 9,
  } as const;
  const granted = (named: object): number => {
    const { step } = start({ ingestLimitBytesPerSecond: 1_000_000 });
    const request = { requestId: requestId(1), backlog: [{ ...backlog, ...named }] };
    const effects = step({ type: 'request_received', agentId: A, request });
    const channels = effects.flatMap((effect) => (effect.type === 'send_grant' ? effect.grant.channels : []));
    return channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  };
  expect(granted({ nextBlockRawBytes })).toBe(nextBlockRawBytes);
  // Of an agent that does not name it, the next block may be as large as any.
  expect(granted({})).toBe(MAX_BLOCK_RAW_BYTES);
});

test('U17 after a start many agents share little, until it is known what the store takes', () => {
  const roomBytes = 8 * BACKLOG_FLOOR_BYTES;
  const { step } = start({}, roomBytes);
  const agents = Array.from({ length: 200 }, (_, index) => agent(`A${index}`));
  for (const agentId of agents) step({ type: 'agent_connected', agentId });
  const waitingBytes = 2 * MAX_BLOCK_RAW_BYTES;
  const backlog = [{ urgency: 'bulk', recordCount: 9, rawBytes: waitingBytes, oldestAgeMs: 9 }] as const;
  const granted = (effects: readonly ServerEffect[]): number[] =>
    effects
      .flatMap((effect) => (effect.type === 'send_grant' ? [effect.grant.channels] : []))
      .map((channels) => channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0));
  const request = { requestId: requestId(1), backlog };
  const first = agents.flatMap((agentId) => granted(step({ type: 'request_received', agentId, request })));
  const sum = first.reduce((total, bytes) => total + bytes, 0);
  expect(sum).toBeGreaterThan(BACKLOG_FLOOR_BYTES / 2);
  expect(sum).toBeLessThanOrEqual(BACKLOG_FLOOR_BYTES);
  // Headroom is a part of what there is for each, for it may end unused.
  expect(Math.max(...first)).toBeLessThanOrEqual(waitingBytes + BACKLOG_FLOOR_BYTES / agents.length);
  // A store that takes nothing of what the journal has: it may fill up.
  step({ type: 'journal_room_changed', roomBytes: roomBytes - LEAST_AWAY_BACKLOG_BYTES }, 2);
  const later = granted(step({ type: 'woken' }, DRAIN_WINDOW_MS + 3));
  expect(later.length).toBeGreaterThan(0);
  expect(first.length + later.length).toBeLessThanOrEqual(agents.length);
});

test('U2 U17 the rest of a closed channel is room for others at once; what is on its way is taken', () => {
  const agents = ['a', 'b'].map(agent);
  const backlog = [
    { urgency: 'bulk', recordCount: 9, rawBytes: 9 * MAX_BLOCK_RAW_BYTES, oldestAgeMs: 9 },
  ] as const;
  const { step } = start(
    { channels: [{ priority: 1, quotaBytes: 9 * MAX_BLOCK_RAW_BYTES }] },
    FIRST_HELD_BYTES,
  );
  step({ type: 'agent_connected', agentId: agent('b') });
  const ask = (agentId: AgentId, id: number, rest: object = {}): Grant | undefined =>
    step({ type: 'request_received', agentId, request: { requestId: requestId(id), backlog, ...rest } })
      .flatMap((effect) => (effect.type === 'send_grant' && effect.agentId === agentId ? [effect.grant] : []))
      .at(0);
  const [a, b] = agents.map((agentId) => ask(agentId, 1));
  if (a === undefined || b !== undefined) throw new Error('the first was to have all of the room');
  const channel = channelNumber(1);
  const usedBytes = MAX_BLOCK_RAW_BYTES;
  const effects = step({
    type: 'request_received',
    agentId: A,
    request: {
      requestId: requestId(2),
      backlog: [],
      closedChannels: [{ grantId: a.grantId, channel, usedBytes }],
    },
  });
  const given = effects.flatMap((effect) => (effect.type === 'send_grant' ? [effect] : []));
  const forB = given.find(({ agentId }) => agentId === 'b')?.grant.channels[0]?.quotaBytes ?? 0;
  expect(forB).toBeGreaterThanOrEqual(2 * MAX_BLOCK_RAW_BYTES - IDLE_QUOTA_BYTES);
  // The room of what is still to come was not given away.
  expect(forB).toBeLessThanOrEqual(3 * MAX_BLOCK_RAW_BYTES);
  const place = { agentId: A, grantId: a.grantId, channel, known: false };
  const arrive = (sequence: number, rawBytes: number): string[] =>
    step({ type: 'block_arrived', ...place, block: block(sequence, 'bulk', rawBytes) }).map(
      ({ type }) => type,
    );
  expect(arrive(1, usedBytes)).toContain('journal_block');
  expect(arrive(2, 1)).toContain('refuse_block');
  // A word that contradicts what came, or what was granted, changes nothing.
  const again = { grantId: a.grantId, channel };
  for (const bytes of [0, Number.MAX_SAFE_INTEGER])
    ask(A, 3, { closedChannels: [{ ...again, usedBytes: bytes }] });
  expect(arrive(3, 1)).toContain('refuse_block');
});

describe('U17 quota that lies unused while others wait', () => {
  const B = agent('b');
  const bulk = { urgency: 'bulk', recordCount: 9, oldestAgeMs: 9 } as const;
  const backlog = [{ ...bulk, rawBytes: 9 * MAX_BLOCK_RAW_BYTES }];

  /** Agent a has all of the room, and b waits for some from `sinceMs` on. */
  function contended(sinceMs: number) {
    const channels = [{ priority: 1, quotaBytes: 9 * MAX_BLOCK_RAW_BYTES }];
    const { step } = start({ channels }, FIRST_HELD_BYTES);
    step({ type: 'agent_connected', agentId: B });
    const ask = (agentId: AgentId, request: object, atMs: number): ServerEffect[] =>
      step(
        { type: 'request_received', agentId, request: { requestId: requestId(1), backlog, ...request } },
        atMs,
      );
    const [given] = ask(A, {}, 1).filter((effect) => effect.type === 'send_grant');
    if (given === undefined) throw new Error('no grant');
    const effects = ask(B, {}, sinceMs);
    expect(effects.filter(({ type }) => type === 'send_grant')).toEqual([]);
    const place = { agentId: A, grantId: given.grant.grantId, channel: channelNumber(1) };
    return { step, ask, place, effects };
  }
  const revoked = (effects: readonly ServerEffect[]): ServerEffect[] =>
    effects.filter(({ type }) => type === 'revoke');

  test('U17 is asked back once, taken until the agent says what it sent, and then granted to those that wait', () => {
    const { step, ask, place, effects } = contended(2);
    const { grantId, channel } = place;
    expect(revoked(effects)).toEqual([]);
    expect(effects.at(-1)).toEqual({ type: 'wake_at', atMs: 1 + RECALL_UNUSED_MS });
    const woken = step({ type: 'woken' }, 1 + RECALL_UNUSED_MS);
    expect(revoked(woken)).toEqual([{ type: 'revoke', agentId: A, grantId }]);
    expect(revoked(step({ type: 'woken' }, 4_000))).toEqual([]);
    // Sent before the recall came: within a live grant.
    const arrived = step(
      { type: 'block_arrived', ...place, block: block(1, 'bulk', MAX_BLOCK_RAW_BYTES), known: false },
      4_001,
    );
    expect(arrived.map(({ type }) => type)).toContain('journal_block');
    expect(arrived.map(({ type }) => type)).not.toContain('send_grant');
    const closedChannels = [{ grantId, channel, usedBytes: MAX_BLOCK_RAW_BYTES }];
    expect(ask(A, { backlog: [], closedChannels }, 4_002)).toContainEqual(
      expect.objectContaining({ type: 'send_grant', agentId: B }),
    );
  });

  test('U17 few are asked back at a time: their agents come with a request each', () => {
    const agents = Array.from({ length: 3 * MAX_GRANTS_RECALLED_AT_ONCE }, (_, index) => agent(`A${index}`));
    const { step } = start({ channels: [{ priority: 1, quotaBytes: 9 * MAX_BLOCK_RAW_BYTES }] }, 0);
    const ask = (agentId: AgentId, rawBytes: number, atMs: number, rest: object = {}): ServerEffect[] => {
      const request = { requestId: requestId(1), backlog: [{ ...bulk, rawBytes }], ...rest };
      return step({ type: 'request_received', agentId, request }, atMs);
    };
    step({ type: 'journal_room_changed', roomBytes: agents.length * 64 * 1024 });
    for (const agentId of agents) step({ type: 'agent_connected', agentId });
    const given = agents.flatMap((agentId) => ask(agentId, 32 * 1024, 1));
    const grants = given.filter((effect) => effect.type === 'send_grant');
    expect(grants).toHaveLength(agents.length);
    step({ type: 'journal_room_changed', roomBytes: 0 }, 2);
    step({ type: 'agent_connected', agentId: B });
    ask(B, 2 * MAX_BLOCK_RAW_BYTES, 3);
    const first = revoked(step({ type: 'woken' }, 2 * RECALL_UNUSED_MS));
    expect(first).toHaveLength(MAX_GRANTS_RECALLED_AT_ONCE);
    // One is answered, one more is asked back.
    const [answering] = grants;
    if (answering === undefined) throw new Error('no grant');
    const { grantId } = answering.grant;
    const closedChannels = [{ grantId, channel: channelNumber(1), usedBytes: 0 }];
    const again = ask(answering.agentId, MAX_BLOCK_RAW_BYTES, 2 * RECALL_UNUSED_MS + 1, { closedChannels });
    expect(revoked(again)).toHaveLength(1);
  });

  test('U17 stays while it is used, while nobody waits, and with agents that have nothing waiting', () => {
    const { step, place } = contended(1_900);
    step({ type: 'block_arrived', ...place, block: block(1, 'bulk', 100), known: false }, 2_000);
    expect(revoked(step({ type: 'woken' }, 1 + RECALL_UNUSED_MS))).toEqual([]);
    expect(revoked(step({ type: 'woken' }, 1 + 2 * RECALL_UNUSED_MS))).toHaveLength(1);
    const alone = start({}, 4 * MAX_BLOCK_RAW_BYTES);
    const request = { requestId: requestId(1), backlog };
    alone.step({ type: 'request_received', agentId: A, request });
    expect(revoked(alone.step({ type: 'woken' }, 3 * RECALL_UNUSED_MS))).toEqual([]);
    const idle = start({}, 4 * MAX_BLOCK_RAW_BYTES);
    idle.ask(1);
    idle.step({ type: 'agent_connected', agentId: B });
    idle.step({ type: 'journal_room_changed', roomBytes: 0 });
    idle.step({ type: 'request_received', agentId: B, request });
    expect(revoked(idle.step({ type: 'woken' }, 2 * RECALL_UNUSED_MS))).toEqual([]);
  });
});

test('U17 an agent that sends nothing holds little, one that sends may hold as much more', () => {
  const { step } = start({}, 200 * MAX_BLOCK_RAW_BYTES);
  const backlog = [
    { urgency: 'bulk', recordCount: 9, rawBytes: 99 * MAX_BLOCK_RAW_BYTES, oldestAgeMs: 9 },
  ] as const;
  let asked = 0;
  const ask = (atMs: number): Grant | undefined => {
    asked += 1;
    const request = { requestId: requestId(asked), backlog };
    return step({ type: 'request_received', agentId: A, request }, atMs)
      .flatMap((effect) => (effect.type === 'send_grant' ? [effect.grant] : []))
      .at(0);
  };
  const bytesOf = (grant: Grant | undefined): number =>
    (grant?.channels ?? []).reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  const first = ask(1);
  expect(bytesOf(first)).toBe(FIRST_HELD_BYTES);
  expect(ask(2)).toMatchObject({ channels: [], refusalReason: 'holds_enough', retryAfterMs: 1_000 });
  // It is refused at once, and nobody waits behind it.
  step({ type: 'agent_connected', agentId: agent('b') });
  const other = { requestId: requestId(1), backlog };
  expect(step({ type: 'request_received', agentId: agent('b'), request: other })[0]).toMatchObject({
    grant: { channels: [{}, {}] },
  });
  const place = { agentId: A, grantId: at(first).grantId, known: false };
  let sequence = 0;
  let held = bytesOf(first);
  let latest = first;
  for (let round = 0; round < 20; round += 1) {
    for (const { channel, quotaBytes } of latest?.channels ?? []) {
      sequence += 1;
      const sent = block(sequence, 'urgent', quotaBytes);
      step({ type: 'block_arrived', ...place, grantId: at(latest).grantId, channel, block: sent }, 3);
    }
    latest = ask(3);
    held = Math.max(held, bytesOf(latest));
  }
  // All that its channels give at once.
  expect(held).toBe(2 * CHANNEL_QUOTA_BYTES);
  expect(held).toBeLessThanOrEqual(MAX_HELD_BYTES);
});

test('U17 what is asked back and not given back is taken back: its agent is silent', () => {
  const backlog = [
    { urgency: 'bulk', recordCount: 9, rawBytes: 9 * MAX_BLOCK_RAW_BYTES, oldestAgeMs: 9 },
  ] as const;
  const { step } = start({}, FIRST_HELD_BYTES);
  step({ type: 'agent_connected', agentId: agent('b') });
  const ask = (agentId: AgentId, atMs: number): ServerEffect[] =>
    step({ type: 'request_received', agentId, request: { requestId: requestId(1), backlog } }, atMs);
  const given = ask(A, 1).find((effect) => effect.type === 'send_grant');
  expect(ask(agent('b'), 2).map(({ type }) => type)).not.toContain('send_grant');
  const recalledMs = 2 + RECALL_UNUSED_MS;
  expect(step({ type: 'woken' }, recalledMs).map(({ type }) => type)).toContain('revoke');
  const woken = step({ type: 'woken' }, recalledMs + RECALL_ANSWER_MS - 1);
  expect(woken.flatMap((effect) => (effect.type === 'send_grant' ? effect.grant.channels : []))).toEqual([]);
  ask(agent('b'), recalledMs + RECALL_ANSWER_MS - 1);
  const late = step({ type: 'woken' }, recalledMs + RECALL_ANSWER_MS);
  expect(late[0]).toMatchObject({ type: 'send_grant', agentId: 'b', grant: { channels: [{}, {}] } });
  const place = { agentId: A, grantId: at(given?.grant).grantId, channel: channelNumber(1), known: false };
  const arrived = step({ type: 'block_arrived', ...place, block: block(1) }, recalledMs + RECALL_ANSWER_MS);
  expect(arrived[0]).toMatchObject({ type: 'refuse_block', refusal: { kind: 'retryable' } });
});

test('U17 of agents with urgent backlog that were given equally much, the one whose record is oldest comes first', () => {
  const { step } = start({}, 0);
  const urgent = (oldestAgeMs: number) =>
    [{ urgency: 'urgent', recordCount: 1, rawBytes: MAX_BLOCK_RAW_BYTES, oldestAgeMs }] as const;
  for (const [index, ageMs] of [10, 5_000, 100, 1e12].entries()) {
    const agentId = agent(`u${index}`);
    step({ type: 'agent_connected', agentId });
    step({ type: 'request_received', agentId, request: { requestId: requestId(1), backlog: urgent(ageMs) } });
  }
  const served: string[] = [];
  for (let room = 1; room <= 4; room += 1) {
    const effects = step({ type: 'journal_room_changed', roomBytes: room * MAX_BLOCK_RAW_BYTES }, 2);
    for (const effect of effects) if (effect.type === 'send_grant') served.push(effect.agentId);
  }
  expect(served).toEqual(['u3', 'u1', 'u2', 'u0']);
});

test('U17 a standby, a loaded server and one of another region rank their channels lower', () => {
  const priorities = (grant: Grant | undefined): number[] =>
    grant?.channels.map(({ priority }) => priority) ?? [];
  const roomBytes = 25 * MAX_BLOCK_RAW_BYTES;
  const { step, ask } = start({ priorityOffset: 4, loadedOffset: 10, remoteOffset: 100 }, roomBytes);
  expect(priorities(ask(1))).toEqual([5, 6]);
  step({ type: 'journal_room_changed', roomBytes: roomBytes * (1 - LOADED_FRACTION) });
  expect(priorities(ask(2, 2))).toEqual([15, 16]);
  const between = roomBytes * (1 - (LOADED_FRACTION + UNLOADED_FRACTION) / 2);
  step({ type: 'journal_room_changed', roomBytes: between });
  expect(priorities(ask(3, 3))).toEqual([15, 16]);
  step({ type: 'journal_room_changed', roomBytes: roomBytes * (1 - UNLOADED_FRACTION) });
  expect(priorities(ask(4, 4))).toEqual([5, 6]);
  step({ type: 'agent_connected', agentId: A, isRemote: true });
  expect(priorities(ask(5, 5))).toEqual([105, 106]);
});

test('U17 a server that starts with a full journal ranks lower and gives little from its first grant on', () => {
  const journalBytes = 8 * BACKLOG_FLOOR_BYTES;
  const channels = [{ priority: 1, quotaBytes: 2 * BACKLOG_FLOOR_BYTES }];
  const waiting = [
    { urgency: 'bulk', recordCount: 9, rawBytes: BACKLOG_FLOOR_BYTES, oldestAgeMs: 9 },
  ] as const;
  const first = (roomBytes: number): Grant | undefined => {
    const firstHeldBytes = journalBytes;
    const { step } = start({ journalBytes, loadedOffset: 10, channels, firstHeldBytes }, roomBytes);
    return step({
      ...{ type: 'request_received', agentId: A, request: { requestId: requestId(1), backlog: waiting } },
    })
      .flatMap((effect) => (effect.type === 'send_grant' ? [effect.grant] : []))
      .at(0);
  };
  expect(first(journalBytes)?.channels).toMatchObject([{ priority: 1, quotaBytes: BACKLOG_FLOOR_BYTES }]);
  expect(first(journalBytes - BACKLOG_FLOOR_BYTES / 2)?.channels).toMatchObject([
    { priority: 1, quotaBytes: BACKLOG_FLOOR_BYTES / 2 },
  ]);
  // Fuller than it should be: the store comes first.
  expect(first(journalBytes * (1 - LOADED_FRACTION))).toBeUndefined();
  const full = start({ journalBytes, loadedOffset: 10, channels }, journalBytes * (1 - LOADED_FRACTION));
  const urgent = [{ urgency: 'urgent', recordCount: 1, rawBytes: 100, oldestAgeMs: 9 }] as const;
  const request = { requestId: requestId(1), backlog: urgent };
  expect(full.step({ type: 'request_received', agentId: A, request })[0]).toMatchObject({
    grant: { channels: [{ priority: 11 }] },
  });
});

test('U12 acknowledged when durable, once journaled; known is acknowledged again', () => {
  const server = start();
  const place = at(server.ask(1));
  const arrive = (known: boolean): string | undefined =>
    server.step({ type: 'block_arrived', ...place, block: block(1), known })[0]?.type;
  expect(arrive(false)).toBe('journal_block');
  expect(server.step({ type: 'block_durable', blockId: block(1).id })[0]?.type).toBe('acknowledge_block');
  expect(arrive(true)).toBe('acknowledge_block');
});

test('U4 past the quota or without a grant is refused; expired on the way is taken within the grace', () => {
  const server = start();
  const place = at(server.ask(1));
  const arrive = (sequence: number, atMs: number, bytes = 100): ServerEffect | undefined =>
    server.step(
      { type: 'block_arrived', ...place, block: block(sequence, 'normal', bytes), known: false },
      atMs,
    )[0];
  expect(arrive(1, 2, 99 * MAX_BLOCK_RAW_BYTES)).toMatchObject({ refusal: { kind: 'retryable' } });
  expect(arrive(2, 24_999)?.type).toBe('journal_block');
  expect(arrive(3, 25_001)).toMatchObject({ refusal: { kind: 'retryable' } });
});

test('M10 U11 a notice makes the next grants rank below what it named, for a while', () => {
  const channels = [2, 4].map((priority) => ({ priority, quotaBytes: MAX_BLOCK_RAW_BYTES }));
  const run = (onNotice: 'ignore' | 'yield', atMs: number): number[] | undefined => {
    const told = start({ channels, onNotice });
    const { grantId, channel } = at(told.ask(1));
    const outrankedBy = [{ serverId: server('S1'), highestPriority: 1, heldPriorities: [3] }];
    const notice = { grantId, channel, priority: 2, outrankedBy };
    expect(told.step({ type: 'notice_received', agentId: A, notice })[0]?.type).toBe('record_notice');
    return told.ask(2, atMs)?.channels.map(({ priority }) => priority);
  };
  expect(run('yield', 2)).toEqual([4, 6]);
  expect(run('yield', 60_001)).toEqual([2, 4]);
  expect(run('ignore', 2)).toEqual([2, 4]);
});

test('U21 a draining server revokes, takes what is on its way, refuses requests', () => {
  const server = start();
  const place = at(server.ask(1));
  expect(server.step({ type: 'draining' })[0]).toEqual({ type: 'revoke', agentId: A });
  const arrived = server.step({ type: 'block_arrived', ...place, block: block(1), known: false });
  expect(arrived[0]?.type).toBe('journal_block');
  expect(server.ask(2)).toMatchObject({ channels: [], refusalReason: 'draining' });
});

test('U19 a server keeps a bounded number of grants of an agent, and ends used up ones first', () => {
  const server = start({ firstHeldBytes: 100 * MAX_BLOCK_RAW_BYTES });
  const first = server.ask(1);
  const [idle] = first?.channels ?? [];
  const usedUp = server.ask(2);
  for (const { channel, quotaBytes } of usedUp?.channels ?? []) {
    const whole = block(channel, 'urgent', quotaBytes);
    server.step({ type: 'block_arrived', ...at(usedUp), channel, block: whole, known: false });
  }
  const arrives = (sequence: number, grant: Grant | undefined): string =>
    server
      .step({ type: 'block_arrived', ...at(grant), block: block(sequence, 'urgent', 10), known: false })
      .map(({ type }) => type)
      .join();
  for (let id = 3; id <= MAX_GRANTS_PER_AGENT + 1; id += 1) server.ask(id);
  expect(idle).toBeDefined();
  expect(arrives(10, first)).toBe('journal_block');
  server.ask(MAX_GRANTS_PER_AGENT + 2);
  expect(arrives(11, first)).toBe('refuse_block');
});

test('U19 a bounded number of answers wait for a block that is being written, a further copy is refused', () => {
  const server = start();
  const grant = server.ask(1);
  const arrives = (): ServerEffect[] =>
    server.step({ type: 'block_arrived', ...at(grant), block: block(1), known: false });
  expect(arrives()[0]?.type).toBe('journal_block');
  for (let copy = 1; copy < MAX_ANSWERS_PER_BLOCK; copy += 1) expect(arrives()).toEqual([]);
  expect(arrives()[0]).toMatchObject({ type: 'refuse_block', refusal: { kind: 'retryable' } });
  const answers = server.step({ type: 'block_durable', blockId: block(1).id });
  expect(answers.filter(({ type }) => type === 'acknowledge_block')).toHaveLength(MAX_ANSWERS_PER_BLOCK);
});
