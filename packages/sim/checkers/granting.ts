/**
 * U3, U4, U8, U11, U12, U17, U21 at the server: what it grants, takes, refuses and acknowledges, against books of its own.
 *
 * Invariants: outstanding quota, what is being written and what the journal holds are counted from events alone; every
 * request is answered in bounded time; every block that arrived is answered as the books say, at the place where it came.
 */
import {
  DEFER_TIMEOUT_MS,
  GRANT_GRACE_MS,
  MAX_URGENT_RESERVE_BYTES,
  URGENT_RESERVE_FRACTION,
  YIELD_MEMORY_MS,
} from '@sluice/protocol/limits';
import type { AgentId, Grant, PriorityViolationNotice } from '@sluice/protocol/model';
import { blockKey, MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import type { ServerEffect, ServerEvent } from '@sluice/protocol/server-events';
import type { ServerShape } from '../options.ts';
import type { Observation } from '../world.ts';
import type { Checker } from './checker.ts';
import { CheckFailure } from './checker.ts';

/** Timers may ring this late. */
const SLACK_MS = 5;

interface BookedGrant {
  readonly channels: Map<number, { readonly priority: number; leftBytes: number }>;
  readonly takenUntilMs: number;
}

interface BookedAgent {
  readonly grants: Map<string, BookedGrant>;
  request: { readonly id: number; readonly sinceMs: number } | undefined;
}

interface Books {
  readonly shape: ServerShape;
  readonly agents: Map<AgentId, BookedAgent>;
  /** Blocks between `journal_block` and its end: their size, and where each copy came in. */
  readonly writing: Map<string, { readonly rawBytes: number; readonly places: string[] }>;
  readonly yields: Map<AgentId, { readonly shift: number; readonly untilMs: number }>;
  isDraining: boolean;
}

export class GrantingChecker implements Checker {
  readonly #books = new Map<string, Books>();
  /** Raw bytes that each journal holds, over all lives of its server. */
  readonly #held = new Map<string, number>();

  observe(observation: Observation, nowMs: number): void {
    switch (observation.type) {
      case 'server_started':
        this.#books.set(observation.serverId, {
          ...{ shape: observation.shape, agents: new Map(), writing: new Map() },
          ...{ yields: new Map(), isDraining: false },
        });
        return;
      case 'server_ended':
        this.#books.delete(observation.serverId);
        return;
      case 'block_journaled':
      case 'block_unjournaled': {
        const sign = observation.type === 'block_journaled' ? 1 : -1;
        const held = this.#held.get(observation.serverId) ?? 0;
        this.#held.set(observation.serverId, held + sign * observation.header.rawBytes);
        return;
      }
      case 'server_step': {
        const books = this.#books.get(observation.serverId);
        if (books !== undefined) this.#step(observation.serverId, books, observation, nowMs);
        return;
      }
      default:
    }
  }

  #step(
    serverId: string,
    books: Books,
    { event, effects }: Extract<Observation, { type: 'server_step' }>,
    nowMs: number,
  ): void {
    for (const agent of books.agents.values()) {
      for (const [id, grant] of agent.grants) if (grant.takenUntilMs <= nowMs) agent.grants.delete(id);
    }
    const expected = answersTo(books, event, nowMs);
    const given = effects.flatMap((effect) => answerOf(effect) ?? []).sort();
    if (expected.sort().join() !== given.join()) {
      fail(
        'answer',
        `${serverId} answered ${given.join() || 'nothing'} to ${event.type}, not ${expected.join() || 'nothing'}`,
      );
    }
    for (const effect of effects) {
      if (effect.type === 'send_grant') this.#grant(serverId, books, effect.agentId, effect.grant, nowMs);
    }
    for (const [agentId, { request }] of books.agents) {
      if (request === undefined) continue;
      if (books.isDraining)
        fail('answer', `${serverId} drains and leaves the request of ${agentId} without an answer`);
      if (nowMs > request.sinceMs + DEFER_TIMEOUT_MS + SLACK_MS) {
        fail('answer', `${serverId} did not answer the request of ${agentId} in ${DEFER_TIMEOUT_MS} ms`);
      }
    }
  }

  #grant(serverId: string, books: Books, agentId: AgentId, grant: Grant, nowMs: number): void {
    const agent = books.agents.get(agentId);
    const what = `${serverId} gave ${agentId} ${grant.grantId}`;
    if (agent?.request?.id !== grant.requestId) fail('grant', `${what} in answer to no request of its`);
    agent.request = undefined;
    if (grant.channels.length === 0) {
      if (grant.refusalReason === undefined || !((grant.retryAfterMs ?? 0) > 0))
        fail('grant', `${what}: a refusal that says too little`);
      return;
    }
    if (books.isDraining) fail('grant', `${what} while it drains`);
    const lanes = [...books.shape.lanes].sort((a, b) => a.priority - b.priority);
    const yielded = books.yields.get(agentId);
    const shift = yielded !== undefined && yielded.untilMs > nowMs ? yielded.shift : 0;
    const channels: BookedGrant['channels'] = new Map();
    for (const [
      index,
      { channel, priority, quotaBytes, reservedForUrgentBytes },
    ] of grant.channels.entries()) {
      const lane = lanes[index];
      if (lane === undefined || priority !== lane.priority + shift) {
        fail('yield', `${what} with priority ${priority}, not ${lane?.priority} moved by ${shift}`);
      }
      if (quotaBytes > lane.quotaBytes) fail('grant', `${what} with more than its lane's quota`);
      const mostReserved =
        index > 0 ? 0 : Math.min(quotaBytes * URGENT_RESERVE_FRACTION, MAX_URGENT_RESERVE_BYTES);
      if (reservedForUrgentBytes > mostReserved)
        fail('grant', `${what} with a reserve of ${reservedForUrgentBytes}`);
      if (quotaBytes >= MAX_BLOCK_RAW_BYTES && quotaBytes - reservedForUrgentBytes < MAX_BLOCK_RAW_BYTES) {
        fail('grant', `${what} with a reserve that leaves no room for a full block`);
      }
      const spareBytes = quotaBytes - MAX_BLOCK_RAW_BYTES;
      if (index === 0 && reservedForUrgentBytes < Math.min(Math.floor(mostReserved), spareBytes)) {
        fail('grant', `${what} with a reserve of only ${reservedForUrgentBytes} of ${quotaBytes}`);
      }
      channels.set(channel, { priority, leftBytes: quotaBytes });
    }
    if (agent.grants.has(grant.grantId)) fail('grant', `${what} twice`);
    agent.grants.set(grant.grantId, { channels, takenUntilMs: nowMs + grant.lifetimeMs + GRANT_GRACE_MS });
    let promisedBytes = this.#held.get(serverId) ?? 0;
    for (const { rawBytes } of books.writing.values()) promisedBytes += rawBytes;
    for (const { grants } of books.agents.values()) {
      for (const other of grants.values())
        for (const { leftBytes } of other.channels.values()) promisedBytes += leftBytes;
    }
    if (promisedBytes > books.shape.journalBytes) {
      fail('room', `${what} and has promised ${promisedBytes} of ${books.shape.journalBytes} bytes`);
    }
  }
}

/** Books the event; returns the answers to blocks that it must bring. */
function answersTo(books: Books, event: ServerEvent, nowMs: number): string[] {
  switch (event.type) {
    case 'agent_connected':
      books.agents.set(event.agentId, { grants: new Map(), request: undefined });
      return [];
    case 'agent_disconnected':
      books.agents.delete(event.agentId);
      return [];
    case 'request_received': {
      const agent = books.agents.get(event.agentId);
      if (agent !== undefined) {
        agent.request = { id: event.request.requestId, sinceMs: agent.request?.sinceMs ?? nowMs };
      }
      return [];
    }
    case 'notice_received':
      bookNotice(books, event.agentId, event.notice, nowMs);
      return ['noticed'];
    case 'block_arrived':
      return arrived(books, event);
    case 'block_durable':
    case 'block_not_durable': {
      const key = blockKey(event.blockId);
      const places = books.writing.get(key)?.places ?? [];
      books.writing.delete(key);
      return places.map((place) => `${event.type === 'block_durable' ? 'acknowledge' : 'refuse'} ${place}`);
    }
    case 'draining': {
      const revoked = books.isDraining ? [] : [...books.agents].filter(([, { grants }]) => grants.size > 0);
      books.isDraining = true;
      return revoked.map(([agentId]) => `revoke ${agentId}`);
    }
    case 'journal_room_changed':
    case 'woken':
      return [];
    default:
      return event satisfies never;
  }
}

function arrived(books: Books, event: Extract<ServerEvent, { type: 'block_arrived' }>): string[] {
  const { agentId, block, grantId, channel: number, known } = event;
  const key = blockKey(block.id);
  const place = `${key} ${agentId}/${grantId}/${number}`;
  const channel = books.agents.get(agentId)?.grants.get(grantId)?.channels.get(number);
  const isWithin = channel !== undefined && channel.leftBytes >= block.rawBytes;
  if (isWithin) channel.leftBytes -= block.rawBytes;
  const writing = books.writing.get(key);
  if (known) return [`acknowledge ${place}`];
  if (writing !== undefined) {
    writing.places.push(place);
    return [];
  }
  if (!isWithin) return [`refuse ${place}`];
  books.writing.set(key, { rawBytes: block.rawBytes, places: [place] });
  return [`journal ${key} ${channel.priority}`];
}

function bookNotice(books: Books, agentId: AgentId, notice: PriorityViolationNotice, nowMs: number): void {
  const isLive = books.agents.get(agentId)?.grants.has(notice.grantId) === true;
  if (!isLive || books.shape.onNotice === 'ignore') return;
  const own = Math.min(...books.shape.lanes.map(({ priority }) => priority));
  const named = Math.max(...notice.outrankedBy.flatMap(({ heldPriorities }) => heldPriorities));
  const before = books.yields.get(agentId);
  const shift = Math.max(
    0,
    named + 1 - own,
    before !== undefined && before.untilMs > nowMs ? before.shift : 0,
  );
  books.yields.set(agentId, { shift, untilMs: nowMs + YIELD_MEMORY_MS });
}

function answerOf(effect: ServerEffect): string | undefined {
  switch (effect.type) {
    case 'acknowledge_block':
    case 'refuse_block': {
      const { agentId, blockId, grantId, channel } = effect;
      const verb = effect.type === 'refuse_block' ? 'refuse' : 'acknowledge';
      return `${verb} ${blockKey(blockId)} ${agentId}/${grantId}/${channel}`;
    }
    case 'journal_block':
      return `journal ${blockKey(effect.blockId)} ${effect.priority}`;
    case 'revoke':
      return `revoke ${effect.agentId}`;
    case 'record_notice':
      return 'noticed';
    case 'send_grant':
    case 'wake_at':
      return undefined;
    default:
      return effect satisfies never;
  }
}

function fail(checker: string, message: string): never {
  throw new CheckFailure(checker, message);
}
