import { expect, test } from 'vitest';
import { channelNumber, grantId, requestId, timeMs } from './brand.ts';
import { agent, block, server } from './machine-fixture.ts';
import { stamp } from './machine-runner.ts';
import { MAX_BLOCK_RAW_BYTES } from './model.ts';
import type { ServerEffect, UntimedServerEvent } from './server-events.ts';
import { createServerMachine } from './server-machine.ts';

const A = agent('a');
const MIB = 1024 * 1024;

function start(onNotice: 'ignore' | 'yield' = 'yield') {
  const channels = [2, 4].map((priority) => ({ priority, quotaBytes: MAX_BLOCK_RAW_BYTES }));
  const machine = createServerMachine({ serverId: server('S2'), instance: 'i', channels, onNotice });
  let nowMs = 0;
  const step = (event: UntimedServerEvent): ServerEffect[] => {
    nowMs += 10;
    return machine.step(stamp(event, timeMs(nowMs)));
  };
  step({ type: 'journal_room_changed', roomBytes: 100 * MAX_BLOCK_RAW_BYTES });
  step({ type: 'agent_connected', agentId: A });
  const ask = (id: number) => {
    const backlog = [{ urgency: 'bulk' as const, recordCount: 9, rawBytes: MIB, oldestAgeMs: 5 }];
    const effects = step({
      type: 'request_received',
      agentId: A,
      request: { requestId: requestId(id), backlog },
    });
    const grant = effects.flatMap((effect) => (effect.type === 'send_grant' ? [effect.grant] : [])).at(0);
    if (grant === undefined) throw new Error('no answer');
    return grant;
  };
  const told = (): string[] =>
    machine.view(timeMs(nowMs)).history.map(({ kind, agentId, reason }) => `${kind} ${agentId}: ${reason}`);
  return { machine, step, ask, told };
}

test('a server tells what was asked, granted, told, and that it yields, each with why', () => {
  const { machine, step, ask, told } = start();
  const granted = ask(1);
  const outrankedBy = [{ serverId: server('S1'), highestPriority: 1, heldPriorities: [3, 5] }];
  const notice = { grantId: granted.grantId, channel: channelNumber(1), priority: 2, outrankedBy };
  step({ type: 'notice_received', agentId: A, notice });
  expect(told()).toEqual([
    'request a: request 1: bulk waits',
    'grant a: answers request 1',
    'yield a: ranked 4 lower from the next grant on',
    'notice a: outranked by S1 (3, 5)',
  ]);
  const { history, historyTotals } = machine.view(timeMs(50));
  expect(history[0]).toMatchObject({ number: 1, atMs: 30, rawBytes: MIB });
  expect(history[1]?.priorities).toEqual([2, 4]);
  expect(history[1]?.rawBytes).toBeGreaterThan(MIB);
  expect(history[3]?.priorities).toEqual([2]);
  expect(historyTotals.get('yield')).toBe(1);
});

test('a server that only counts notices does not yield, nor for one about a grant that is not its own', () => {
  const outrankedBy = [{ serverId: server('S1'), highestPriority: 1, heldPriorities: [3] }];
  const notice = { grantId: grantId('i-1'), channel: channelNumber(1), priority: 2, outrankedBy };
  const counts = start('ignore');
  expect(counts.ask(1).grantId).toBe(notice.grantId);
  for (const { step, told } of [counts, start()]) {
    step({ type: 'notice_received', agentId: A, notice });
    expect(told().filter((line) => !/^(request|grant) /.test(line))).toEqual([
      'notice a: outranked by S1 (3)',
    ]);
  }
});

test('a server that leaves tells of the recall, the refusal, and the block that it did not take', () => {
  const { step, ask, told } = start();
  const granted = ask(1);
  step({ type: 'draining' });
  ask(2);
  const channel = channelNumber(9);
  const place = { agentId: A, grantId: granted.grantId, channel };
  step({ type: 'block_arrived', ...place, block: block(1), known: false });
  expect(told().slice(2)).toEqual([
    'recall a: the server leaves',
    'request a: request 2: bulk waits',
    'refusal a: draining, again in 5000 ms',
    expect.stringMatching(/^problem a: a block was refused: ./),
  ]);
});
