/**
 * What a server has promised and taken, counted from its events alone: the books that the checkers of the server share.
 *
 * Invariants: nothing here judges; times are the server's own and never go back.
 */
import {
  CHANNEL_QUOTA_BYTES,
  MAX_ANSWERS_PER_BLOCK,
  MAX_GRANTS_PER_AGENT,
  RECALL_ANSWER_MS,
} from '@sluice/protocol/limits';
import type { AgentId, Grant, PriorityViolationNotice, UploadRequest } from '@sluice/protocol/model';
import { blockKey, MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import type { ServerEvent } from '@sluice/protocol/server-events';
import type { ServerShape } from '../options.ts';

export interface BookedGrant {
  readonly channels: Map<number, { readonly priority: number; quotaBytes: number; leftBytes: number }>;
  readonly takenUntilMs: number;
  /** When a block came on it, or it was given. */
  lastUsedMs: number;
  isRecalled: boolean;
  /** When it is taken back, if it was asked back. */
  takenBackAtMs: number;
  readonly givenBytes: number;
  /** Nothing waited when it was given: it counts against the operator's limit as it is used. */
  readonly isIdle: boolean;
}

export interface BookedAgent {
  readonly isRemote: boolean;
  readonly grants: Map<string, BookedGrant>;
  request: { readonly content: UploadRequest; readonly sinceMs: number } | undefined;
  /** What it was given, counted from where the line was when it joined. */
  givenBytes: number;
  /** The same at its first request since the latest grant. */
  standsAtBytes: number | undefined;
  /** What it may hold: as much as it sent besides the first part, and less when it left grants unused. */
  mayHoldBytes: number;
  /** When its latest request came. */
  askedAtMs: number;
  /** Counts askers up; kept from the first request to the grant. */
  asked: number | undefined;
}

/** What an event changed that is counted elsewhere. */
export interface Booked {
  /** The answers to blocks that it must bring. */
  readonly answers: readonly string[];
  /** Raw bytes that were used of grants which count as they are used. */
  readonly usedOfIdleBytes: number;
  readonly durableBytes: number;
  /** Raw bytes of closed channels that are never used, but for idle grants. */
  readonly closedBytes: number;
}

export class ServerBooks {
  readonly shape: ServerShape;
  readonly agents: Map<AgentId, BookedAgent> = new Map();
  /** Blocks between `journal_block` and its end: their size, and where each copy came in. */
  readonly writing: Map<string, { readonly rawBytes: number; readonly places: string[] }> = new Map();
  readonly #yields = new Map<AgentId, { readonly shift: number; readonly untilMs: number }>();
  nowMs = 0;
  isDraining = false;
  #asked = 0;
  #lineBytes = 0;

  constructor(shape: ServerShape) {
    this.shape = shape;
  }

  /** Ends what is over by then. Returns the raw bytes of ended grants that were never used, but for idle ones. */
  passTime(atMs: number): number {
    this.nowMs = Math.max(this.nowMs, atMs);
    let unusedBytes = 0;
    for (const agent of this.agents.values()) {
      for (const [id, grant] of agent.grants) {
        const isLate = grant.takenBackAtMs <= this.nowMs && leftBytes(grant) > 0;
        if (grant.takenUntilMs > this.nowMs && !isLate) continue;
        agent.grants.delete(id);
        if (!grant.isIdle && leftBytes(grant) > grant.givenBytes / 2)
          agent.mayHoldBytes = Math.max(FIRST_PART_BYTES, agent.mayHoldBytes / 2);
        if (!grant.isIdle) unusedBytes += leftBytes(grant);
      }
    }
    return unusedBytes;
  }

  /** Books the event. `lostBytes` of a lost connection are told as unused by {@link unusedOf}. */
  take(event: ServerEvent): Booked {
    let usedOfIdleBytes = 0;
    let durableBytes = 0;
    let closedBytes = 0;
    let answers: readonly string[] = [];
    switch (event.type) {
      case 'agent_connected':
        this.agents.set(event.agentId, {
          isRemote: event.isRemote === true,
          grants: new Map(),
          request: undefined,
          givenBytes: 0,
          standsAtBytes: undefined,
          asked: undefined,
          mayHoldBytes: FIRST_PART_BYTES,
          askedAtMs: 0,
        });
        break;
      case 'agent_disconnected':
        this.agents.delete(event.agentId);
        break;
      case 'request_received':
        closedBytes = this.#ask(event.agentId, event.request);
        break;
      case 'notice_received':
        this.#notice(event.agentId, event.notice);
        answers = ['noticed'];
        break;
      case 'block_arrived': {
        const arrival = this.#arrive(event);
        answers = arrival.answers;
        usedOfIdleBytes = arrival.usedOfIdleBytes;
        break;
      }
      case 'block_durable':
      case 'block_not_durable': {
        const key = blockKey(event.blockId);
        const { places, rawBytes } = this.writing.get(key) ?? { places: [], rawBytes: 0 };
        this.writing.delete(key);
        const isDurable = event.type === 'block_durable';
        if (isDurable) durableBytes = rawBytes;
        answers = places.map((place) => `${isDurable ? 'acknowledge' : 'refuse'} ${place}`);
        break;
      }
      case 'draining': {
        const revoked = this.isDraining ? [] : [...this.agents].filter(([, { grants }]) => grants.size > 0);
        this.isDraining = true;
        answers = revoked.map(([agentId]) => `revoke ${agentId}`);
        break;
      }
      case 'journal_room_changed':
      case 'woken':
        break;
      default:
        event satisfies never;
    }
    return { answers, usedOfIdleBytes, durableBytes, closedBytes };
  }

  /** Returns the raw bytes of a grant that had to make way for it, and were never used; 0 when they count as they are used. */
  gave(agent: BookedAgent, grant: Grant, takenUntilMs: number): number {
    const channels: BookedGrant['channels'] = new Map();
    for (const { channel, priority, quotaBytes } of grant.channels) {
      channels.set(channel, { priority, quotaBytes, leftBytes: quotaBytes });
    }
    const totalBytes = grant.channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
    const isIdle = agent.request === undefined || backlogBytes(agent.request.content) === 0;
    agent.grants.set(grant.grantId, {
      ...{ channels, takenUntilMs, isIdle, lastUsedMs: this.nowMs, isRecalled: false },
      ...{ takenBackAtMs: Number.POSITIVE_INFINITY, givenBytes: totalBytes },
    });
    const startBytes = agent.standsAtBytes ?? 0;
    this.#lineBytes = Math.max(this.#lineBytes, startBytes);
    agent.givenBytes = startBytes + (isIdle ? 0 : totalBytes);
    agent.standsAtBytes = undefined;
    agent.asked = undefined;
    agent.request = undefined;
    return agent.grants.size > MAX_GRANTS_PER_AGENT ? makeWay(agent) : 0;
  }

  /** Granted and not used, and what is being written. */
  get promisedBytes(): number {
    let bytes = 0;
    for (const { rawBytes } of this.writing.values()) bytes += rawBytes;
    for (const agent of this.agents.values()) bytes += outstandingBytes(agent);
    return bytes;
  }

  get waiting(): BookedAgent[] {
    return [...this.agents.values()].filter(({ request }) => request !== undefined);
  }

  /** The grant is asked back. */
  recalled(grant: BookedGrant): void {
    grant.isRecalled = true;
    grant.takenBackAtMs = this.nowMs + RECALL_ANSWER_MS;
  }

  /** How far the agent's channels are moved down by its notices (U11). */
  yieldOf(agentId: AgentId): number {
    const yielded = this.#yields.get(agentId);
    return yielded !== undefined && yielded.untilMs > this.nowMs ? yielded.shift : 0;
  }

  /** What is given back when this agent's connection ends: quota that counts against the limit and was not used. */
  unusedOf(agentId: AgentId): number {
    let bytes = 0;
    for (const grant of this.agents.get(agentId)?.grants.values() ?? []) {
      if (!grant.isIdle) bytes += leftBytes(grant);
    }
    return bytes;
  }

  /** Whether a request has no answer yet. */
  get isWaitedFor(): boolean {
    return [...this.agents.values()].some(({ request }) => request !== undefined);
  }

  /** Grants that were asked back and have quota outstanding. */
  get recallingCount(): number {
    return this.#grants().filter(([, grant]) => grant.isRecalled && leftBytes(grant) > 0).length;
  }

  /** A grant of one that had logs waiting, with quota that nothing came on since then; undefined when there is none. */
  unusedSince(atMs: number): string | undefined {
    return this.#grants().find(
      ([, grant]) => !grant.isIdle && leftBytes(grant) > 0 && grant.lastUsedMs < atMs,
    )?.[0];
  }

  #grants(): [string, BookedGrant][] {
    return [...this.agents.values()].flatMap(({ grants }) => [...grants]);
  }

  #ask(agentId: AgentId, content: UploadRequest): number {
    const agent = this.agents.get(agentId);
    if (agent === undefined) return 0;
    let closedBytes = 0;
    for (const { grantId, channel: number, usedBytes } of content.closedChannels ?? []) {
      const grant = agent.grants.get(grantId);
      const channel = grant?.channels.get(number);
      if (grant === undefined || channel === undefined) continue;
      const onItsWayBytes = Math.max(0, usedBytes - (channel.quotaBytes - channel.leftBytes));
      const freedBytes = Math.max(0, channel.leftBytes - onItsWayBytes);
      channel.quotaBytes -= freedBytes;
      channel.leftBytes -= freedBytes;
      if (!grant.isIdle) closedBytes += freedBytes;
    }
    agent.request = { content, sinceMs: agent.request?.sinceMs ?? this.nowMs };
    agent.askedAtMs = this.nowMs;
    this.#asked += 1;
    agent.asked ??= this.#asked;
    agent.standsAtBytes ??= Math.max(agent.givenBytes, this.#lineBytes);
    return closedBytes;
  }

  #arrive(event: Extract<ServerEvent, { type: 'block_arrived' }>): {
    readonly answers: readonly string[];
    readonly usedOfIdleBytes: number;
  } {
    const { agentId, block, grantId, channel: number, known } = event;
    const key = blockKey(block.id);
    const place = `${key} ${agentId}/${grantId}/${number}`;
    const grant = this.agents.get(agentId)?.grants.get(grantId);
    const channel = grant?.channels.get(number);
    const isWithin = channel !== undefined && channel.leftBytes >= block.rawBytes;
    if (isWithin) channel.leftBytes -= block.rawBytes;
    if (isWithin && grant !== undefined) grant.lastUsedMs = this.nowMs;
    const agent = this.agents.get(agentId);
    if (isWithin && agent !== undefined)
      agent.mayHoldBytes = Math.min(4 * CHANNEL_QUOTA_BYTES, agent.mayHoldBytes + block.rawBytes);
    const usedOfIdleBytes = isWithin && grant?.isIdle === true ? block.rawBytes : 0;
    const writing = this.writing.get(key);
    if (known) return { answers: [`acknowledge ${place}`], usedOfIdleBytes };
    if (writing !== undefined && writing.places.length >= MAX_ANSWERS_PER_BLOCK)
      return { answers: [`refuse ${place}`], usedOfIdleBytes };
    if (writing !== undefined) {
      writing.places.push(place);
      return { answers: [], usedOfIdleBytes };
    }
    if (!isWithin) return { answers: [`refuse ${place}`], usedOfIdleBytes };
    this.writing.set(key, { rawBytes: block.rawBytes, places: [place] });
    return { answers: [`journal ${key} ${channel.priority}`], usedOfIdleBytes };
  }

  #notice(agentId: AgentId, notice: PriorityViolationNotice): void {
    const isLive = this.agents.get(agentId)?.grants.has(notice.grantId) === true;
    if (!isLive || this.shape.onNotice === 'ignore') return;
    const own = Math.min(...this.shape.channels.map(({ priority }) => priority));
    const named = Math.max(...notice.outrankedBy.flatMap(({ heldPriorities }) => heldPriorities));
    const shift = Math.max(0, named + 1 - own, this.yieldOf(agentId));
    this.#yields.set(agentId, { shift, untilMs: this.nowMs + this.shape.yieldMemoryMs });
  }
}

/** What an agent may hold that has sent nothing. */
const FIRST_PART_BYTES = 3 * MAX_BLOCK_RAW_BYTES;

/** The oldest grant that is used up goes, or the oldest. */
function makeWay({ grants }: BookedAgent): number {
  const [oldest] = grants;
  const [id, grant] = [...grants].find(([, given]) => leftBytes(given) === 0) ?? oldest ?? [];
  if (id === undefined || grant === undefined) return 0;
  grants.delete(id);
  return grant.isIdle ? 0 : leftBytes(grant);
}

/** What waits, by the word of the request. */
export function backlogBytes({ backlog }: UploadRequest): number {
  return backlog.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
}

/** Granted to the agent and not used. */
export function outstandingBytes(agent: BookedAgent): number {
  let bytes = 0;
  for (const grant of agent.grants.values()) bytes += leftBytes(grant);
  return bytes;
}

function leftBytes({ channels }: BookedGrant): number {
  let bytes = 0;
  for (const channel of channels.values()) bytes += channel.leftBytes;
  return bytes;
}
