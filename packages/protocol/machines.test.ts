/** The real machines of both sides over a lossless network in memory. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentEvent } from './agent-events.ts';
import { createAgentMachine } from './agent-machine.ts';
import { timeMs } from './brand.ts';
import { agent as agentName, block, server as serverName } from './machine-fixture.ts';
import type { BlockHeader } from './model.ts';
import { blockKey, MAX_BLOCK_RAW_BYTES, URGENCY_CLASSES } from './model.ts';
import type { ServerEvent } from './server-events.ts';
import { createServerMachine } from './server-machine.ts';

const AGENT = agentName('a');
const ROOM_BYTES = 3 * MAX_BLOCK_RAW_BYTES;

interface Outcome {
  readonly left: number;
  readonly journaled: number;
  readonly notices: number;
}

/** Runs until nothing waits or `limitMs` is over; the time jumps from wish to wish. */
function drain(
  blocks: readonly BlockHeader[],
  prioritiesOfServers: readonly (readonly number[])[],
  limitMs: number,
): Outcome {
  const agent = createAgentMachine({ seed: 7 });
  const journals = prioritiesOfServers.map(() => new Set<string>());
  const servers = prioritiesOfServers.map((priorities, index) =>
    createServerMachine({
      ...{ serverId: serverName(`S${index + 1}`), instance: `i${index}` },
      channels: priorities.map((priority) => ({ priority, quotaBytes: 2 * MAX_BLOCK_RAW_BYTES })),
    }),
  );
  const left = new Set(blocks.map((header) => blockKey(header.id)));
  const wakes: number[] = prioritiesOfServers.map(() => Number.POSITIVE_INFINITY);
  let agentWake = Number.POSITIVE_INFINITY;
  let nowMs = 1;
  let notices = 0;
  const queue: (() => void)[] = [];

  const toAgent = (event: AgentEvent): void => {
    for (const effect of agent.step(event)) {
      const index = 'serverId' in effect ? Number(effect.serverId.slice(1)) - 1 : 0;
      const at = { atMs: timeMs(nowMs), agentId: AGENT };
      if (effect.type === 'send_request') {
        queue.push(() => toServer(index, { type: 'request_received', ...at, request: effect.request }));
      } else if (effect.type === 'send_notice') {
        notices += 1;
        queue.push(() => toServer(index, { type: 'notice_received', ...at, notice: effect.notice }));
      } else if (effect.type === 'send_block') {
        const { grantId, channel } = effect;
        queue.push(() => {
          const known = journals[index]?.has(blockKey(effect.block.id)) === true;
          toServer(index, { type: 'block_arrived', ...at, grantId, channel, block: effect.block, known });
        });
      } else if (effect.type === 'forget_block') {
        expect(journals.some((journal) => journal.has(blockKey(effect.blockId)))).toBe(true);
        expect(left.delete(blockKey(effect.blockId))).toBe(true);
      } else if (effect.type === 'wake_at') agentWake = effect.atMs;
    }
  };
  const toServer = (index: number, event: ServerEvent): void => {
    const machine = servers[index];
    if (machine === undefined) return;
    for (const effect of machine.step(event)) {
      const at = { atMs: timeMs(nowMs), serverId: serverName(`S${index + 1}`) };
      if (effect.type === 'send_grant') {
        queue.push(() => toAgent({ type: 'grant_received', ...at, grant: effect.grant }));
      } else if (effect.type === 'acknowledge_block') {
        queue.push(() => toAgent({ type: 'block_acknowledged', ...at, blockId: effect.blockId }));
      } else if (effect.type === 'journal_block') {
        queue.push(() => {
          journals[index]?.add(blockKey(effect.blockId));
          toServer(index, { type: 'block_durable', atMs: at.atMs, blockId: effect.blockId });
          // The loader empties the journal at once.
          toServer(index, { type: 'journal_room_changed', atMs: at.atMs, roomBytes: ROOM_BYTES });
        });
      } else if (effect.type === 'revoke') {
        const { grantId } = effect;
        queue.push(() => toAgent({ type: 'revoked', ...at, ...(grantId === undefined ? {} : { grantId }) }));
      } else if (effect.type === 'wake_at') wakes[index] = effect.atMs;
      // A granted block within its quota is always taken (U4).
      expect(effect.type).not.toBe('refuse_block');
    }
    const { outstandingBytes, writingBytes } = machine.view(timeMs(nowMs));
    expect(outstandingBytes + writingBytes).toBeLessThanOrEqual(ROOM_BYTES);
  };

  for (const index of prioritiesOfServers.keys()) {
    toServer(index, { type: 'journal_room_changed', atMs: timeMs(nowMs), roomBytes: ROOM_BYTES });
    toServer(index, { type: 'agent_connected', atMs: timeMs(nowMs), agentId: AGENT });
    toAgent({ type: 'server_connected', atMs: timeMs(nowMs), serverId: serverName(`S${index + 1}`) });
  }
  for (const header of blocks) toAgent({ type: 'block_sealed', atMs: timeMs(nowMs), block: header });
  while (nowMs < limitMs) {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
    if (left.size === 0) break;
    const nextMs = Math.min(agentWake, ...wakes);
    expect(nextMs).toBeLessThan(Number.POSITIVE_INFINITY);
    nowMs = Math.max(nowMs + 1, nextMs);
    if (agentWake <= nowMs) {
      agentWake = Number.POSITIVE_INFINITY;
      toAgent({ type: 'woken', atMs: timeMs(nowMs) });
    }
    for (const [index, wake] of wakes.entries()) {
      if (wake > nowMs) continue;
      wakes[index] = Number.POSITIVE_INFINITY;
      toServer(index, { type: 'woken', atMs: timeMs(nowMs) });
    }
  }
  return { left: left.size, journaled: journals.reduce((sum, journal) => sum + journal.size, 0), notices };
}

const blockShape = fc.record({
  urgency: fc.constantFrom(...URGENCY_CLASSES),
  rawBytes: fc.integer({ min: 1, max: MAX_BLOCK_RAW_BYTES }),
});

test('U4 U7 U12 U17 property: both machines drain any backlog, each block once', () => {
  fc.assert(
    fc.property(
      fc.array(blockShape, { maxLength: 40 }),
      fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      (shapes, prioritiesOfServers) => {
        const blocks = shapes.map(({ urgency, rawBytes }, index) => block(index + 1, urgency, rawBytes));
        expect(drain(blocks, prioritiesOfServers, 600_000)).toMatchObject({
          left: 0,
          journaled: blocks.length,
        });
      },
    ),
    { numRuns: 200 },
  );
});
