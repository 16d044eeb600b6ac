/**
 * The server's uplink state machine: answers requests with grants within the journal's room, takes what it granted,
 * and acknowledges what is durable. The rules are in SPEC.md.
 *
 * Invariants: deterministic, no clock but the events' times; no grant is given that would bring the quota outstanding
 * plus the bytes being written above the journal's room; a block within a live grant is always taken; a block is
 * acknowledged only when durable.
 */
import { grantId, timeMs } from './brand.ts';
import { fairLevelBytes } from './fair-share.ts';
import type { Lane } from './lanes.ts';
import { checkLanes, cutChannels, DEFAULT_LANES, wantedBytes, yieldShift } from './lanes.ts';
import {
  DEFER_TIMEOUT_MS,
  DRAINING_RETRY_AFTER_MS,
  GRANT_GRACE_MS,
  GRANT_LIFETIME_MS,
  MAX_RECENT_NOTICES,
  RETRY_AFTER_MS,
  YIELD_MEMORY_MS,
} from './limits.ts';
import type {
  AgentId,
  BlockHeader,
  BlockId,
  ChannelNumber,
  GrantedChannel,
  GrantId,
  PriorityViolationNotice,
  RefusalReason,
  ServerId,
  TimeMs,
  UploadRequest,
} from './model.ts';
import { blockKey, MAX_BLOCK_RAW_BYTES } from './model.ts';
import type { ServerEffect, ServerEvent } from './server-events.ts';

/** All but the id and the instance have defaults; times in ms. */
export interface ServerMachineOptions {
  readonly serverId: ServerId;
  /** Unique for each start of the process: no grant id is ever given twice. */
  readonly instance: string;
  readonly channels?: readonly Lane[];
  readonly grantLifetimeMs?: number;
  readonly grantGraceMs?: number;
  readonly deferTimeoutMs?: number;
  /** What a notice does (U11): `yield` ranks the next grants lower for a while, `ignore` only counts. */
  readonly onNotice?: 'ignore' | 'yield';
  readonly yieldMemoryMs?: number;
}

export interface ServerChannelView {
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly usedBytes: number;
  readonly expiresInMs: number;
}

export interface ServerAgentView {
  readonly agentId: AgentId;
  readonly channels: readonly ServerChannelView[];
  /** Quota granted and not used. */
  readonly outstandingBytes: number;
  /** A request waits for room. */
  readonly requestDeferred: boolean;
  /** How far its lanes are moved down at present (U11). */
  readonly yieldedBy: number;
}

export interface ReceivedNoticeView {
  readonly atMs: TimeMs;
  readonly agentId: AgentId;
  readonly notice: PriorityViolationNotice;
}

export interface ServerMachineView {
  readonly serverId: ServerId;
  readonly draining: boolean;
  readonly roomBytes: number;
  readonly outstandingBytes: number;
  /** Taken and not durable yet. */
  readonly writingBytes: number;
  readonly agents: readonly ServerAgentView[];
  readonly noticesTotal: number;
  /** Bounded, oldest first. */
  readonly recentNotices: readonly ReceivedNoticeView[];
}

export interface ServerMachine {
  /** Advances the machine by one event and returns what to do, in order. Never throws for what a peer says. */
  step(event: ServerEvent): ServerEffect[];
  view(nowMs: TimeMs): ServerMachineView;
}

/**
 * A machine that knows no agent and has no room yet.
 * @throws SluiceError config_invalid for channels that cannot be granted.
 */
export function createServerMachine(options: ServerMachineOptions): ServerMachine {
  return new Machine(options);
}

interface GivenChannel {
  readonly granted: GrantedChannel;
  usedBytes: number;
}

interface GivenGrant {
  readonly grantId: GrantId;
  readonly channels: readonly GivenChannel[];
  /** When the agent stops using it, at the latest, if it took no time to arrive. */
  readonly expiresAtMs: number;
  /** Until when its blocks are taken. */
  readonly takenUntilMs: number;
}

interface Agent {
  readonly agentId: AgentId;
  readonly grants: Map<GrantId, GivenGrant>;
  request: { readonly request: UploadRequest; readonly sinceMs: number } | undefined;
  outstandingBytes: number;
  /** Counts grants over all agents: who was served longest ago comes first. */
  servedOrder: number;
}

interface Place {
  readonly agentId: AgentId;
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
}

interface Writing {
  readonly header: BlockHeader;
  readonly places: Place[];
}

class Machine implements ServerMachine {
  readonly #options: ServerMachineOptions;
  readonly #lanes: readonly Lane[];
  readonly #agents = new Map<AgentId, Agent>();
  readonly #writing = new Map<string, Writing>();
  /** Kept over reconnects, forgotten by time (U11). */
  readonly #yields = new Map<AgentId, { shift: number; untilMs: number }>();
  readonly #waiting = new Set<Agent>();
  /** Grants in the order of their end (all live equally long). */
  readonly #ends: { readonly agent: Agent; readonly grant: GivenGrant }[] = [];
  #endsTaken = 0;
  #roomBytes = 0;
  #outstandingBytes = 0;
  #writingBytes = 0;
  #grants = 0;
  #draining = false;
  #noticesTotal = 0;
  readonly #recentNotices: ReceivedNoticeView[] = [];
  #nowMs = 0;
  #wakeMs = Number.POSITIVE_INFINITY;
  #effects: ServerEffect[] = [];

  constructor(options: ServerMachineOptions) {
    this.#options = options;
    this.#lanes = checkLanes(options.channels ?? DEFAULT_LANES);
  }

  step(event: ServerEvent): ServerEffect[] {
    this.#effects = [];
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    this.#expire();
    this.#take(event);
    this.#answer();
    this.#wake();
    return this.#effects;
  }

  view(nowMs: TimeMs): ServerMachineView {
    return {
      serverId: this.#options.serverId,
      draining: this.#draining,
      roomBytes: this.#roomBytes,
      outstandingBytes: this.#outstandingBytes,
      writingBytes: this.#writingBytes,
      agents: [...this.#agents.values()].map((agent) => this.#viewAgent(agent, nowMs)),
      noticesTotal: this.#noticesTotal,
      recentNotices: [...this.#recentNotices],
    };
  }

  #take(event: ServerEvent): void {
    switch (event.type) {
      case 'agent_connected':
        this.#disconnected(event.agentId);
        this.#agents.set(event.agentId, {
          ...{ agentId: event.agentId, grants: new Map(), request: undefined },
          ...{ outstandingBytes: 0, servedOrder: 0 },
        });
        return;
      case 'agent_disconnected':
        this.#disconnected(event.agentId);
        return;
      case 'request_received': {
        const agent = this.#agents.get(event.agentId);
        if (agent === undefined) return;
        // A newer request replaces one that waits, and keeps its place.
        agent.request = { request: event.request, sinceMs: agent.request?.sinceMs ?? this.#nowMs };
        this.#waiting.add(agent);
        return;
      }
      case 'notice_received':
        this.#noticed(event.agentId, event.notice);
        return;
      case 'block_arrived':
        this.#arrived(event);
        return;
      case 'block_durable':
        this.#written(event.blockId, undefined);
        return;
      case 'block_not_durable':
        this.#written(event.blockId, event.reason);
        return;
      case 'journal_room_changed':
        this.#roomBytes = event.roomBytes;
        return;
      case 'woken':
        // The wish is used up, also when the timer was a little early.
        this.#wakeMs = Number.POSITIVE_INFINITY;
        return;
      case 'draining':
        this.#drain();
        return;
      default:
        event satisfies never;
    }
  }

  #disconnected(agentId: AgentId): void {
    const agent = this.#agents.get(agentId);
    if (agent === undefined) return;
    this.#outstandingBytes -= agent.outstandingBytes;
    agent.outstandingBytes = 0;
    agent.grants.clear();
    this.#waiting.delete(agent);
    this.#agents.delete(agentId);
  }

  #noticed(agentId: AgentId, notice: PriorityViolationNotice): void {
    this.#noticesTotal += 1;
    this.#recentNotices.push({ atMs: timeMs(this.#nowMs), agentId, notice });
    if (this.#recentNotices.length > MAX_RECENT_NOTICES) this.#recentNotices.shift();
    this.#effects.push({ type: 'record_notice', agentId, notice });
    const isOurs = this.#agents.get(agentId)?.grants.has(notice.grantId) === true;
    if ((this.#options.onNotice ?? 'yield') === 'ignore' || !isOurs) return;
    for (const [other, { untilMs }] of this.#yields) if (untilMs <= this.#nowMs) this.#yields.delete(other);
    const shift = Math.max(yieldShift(this.#lanes, notice), this.#yields.get(agentId)?.shift ?? 0);
    this.#yields.set(agentId, {
      shift,
      untilMs: this.#nowMs + (this.#options.yieldMemoryMs ?? YIELD_MEMORY_MS),
    });
  }

  #arrived(event: Extract<ServerEvent, { type: 'block_arrived' }>): void {
    const { agentId, block, known } = event;
    const place: Place = { agentId, grantId: event.grantId, channel: event.channel };
    const agent = this.#agents.get(agentId);
    const grant = agent?.grants.get(event.grantId);
    const channel = grant?.channels.find(({ granted }) => granted.channel === event.channel);
    const isWithin =
      channel !== undefined && channel.granted.quotaBytes - channel.usedBytes >= block.rawBytes;
    const writing = this.#writing.get(blockKey(block.id));
    // What is known or being written needs no room, whatever its grant.
    if (agent !== undefined && isWithin) this.#use(agent, channel, block.rawBytes);
    if (known) this.#effects.push({ type: 'acknowledge_block', blockId: block.id, ...place });
    else if (writing !== undefined) writing.places.push(place);
    else if (channel === undefined) this.#refuse(block.id, place, 'the grant is not live here');
    else if (!isWithin) this.#refuse(block.id, place, 'past the quota of the channel');
    else {
      this.#writing.set(blockKey(block.id), { header: block, places: [place] });
      this.#writingBytes += block.rawBytes;
      const { priority } = channel.granted;
      this.#effects.push({ type: 'journal_block', agentId, blockId: block.id, priority });
    }
  }

  #use(agent: Agent, channel: GivenChannel, rawBytes: number): void {
    channel.usedBytes += rawBytes;
    agent.outstandingBytes -= rawBytes;
    this.#outstandingBytes -= rawBytes;
  }

  #refuse(blockId: BlockId, place: Place, reason: string): void {
    this.#effects.push({ type: 'refuse_block', blockId, ...place, refusal: { kind: 'retryable', reason } });
  }

  #written(blockId: BlockId, failure: string | undefined): void {
    const writing = this.#writing.get(blockKey(blockId));
    if (writing === undefined) return;
    this.#writing.delete(blockKey(blockId));
    this.#writingBytes -= writing.header.rawBytes;
    // Until the journal says anew how much room it has, what it just took is gone from it.
    if (failure === undefined) this.#roomBytes = Math.max(0, this.#roomBytes - writing.header.rawBytes);
    for (const place of writing.places) {
      if (failure === undefined) this.#effects.push({ type: 'acknowledge_block', blockId, ...place });
      else this.#refuse(blockId, place, failure);
    }
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    // What is on its way is still taken until the grants' grace is over.
    for (const { agentId, grants } of this.#agents.values()) {
      if (grants.size > 0) this.#effects.push({ type: 'revoke', agentId });
    }
  }

  #expire(): void {
    for (let end = this.#ends[this.#endsTaken]; end !== undefined; end = this.#ends[this.#endsTaken]) {
      if (end.grant.takenUntilMs > this.#nowMs) break;
      this.#endsTaken += 1;
      const { agent, grant } = end;
      if (!agent.grants.delete(grant.grantId)) continue;
      const unusedBytes = leftBytes(grant);
      agent.outstandingBytes -= unusedBytes;
      this.#outstandingBytes -= unusedBytes;
    }
    if (this.#endsTaken * 2 > this.#ends.length) {
      this.#ends.splice(0, this.#endsTaken);
      this.#endsTaken = 0;
    }
  }

  /** U17: gives what there is to those that wait; what cannot be given waits, and is refused after a while. */
  #answer(): void {
    if (this.#waiting.size === 0) return;
    let availableBytes = this.#roomBytes - this.#writingBytes - this.#outstandingBytes;
    if (!this.#draining && availableBytes >= MAX_BLOCK_RAW_BYTES) {
      const agents = [...this.#waiting].sort(compareWaiting);
      const wants = agents.map((agent) =>
        wantedBytes(this.#lanes, agent.request?.request.backlog ?? [], agent.outstandingBytes),
      );
      const level = Math.max(MAX_BLOCK_RAW_BYTES, fairLevelBytes(wants, availableBytes));
      for (const [index, agent] of agents.entries()) {
        const totalBytes = Math.min(wants[index] ?? 0, level, availableBytes);
        if (totalBytes < MAX_BLOCK_RAW_BYTES) break;
        availableBytes -= this.#grant(agent, totalBytes);
      }
    }
    for (const agent of this.#waiting) {
      if (this.#draining) this.#refuseRequest(agent, 'draining', DRAINING_RETRY_AFTER_MS);
      else if (this.#nowMs >= this.#deferredUntilMs(agent)) {
        this.#refuseRequest(agent, 'overloaded', RETRY_AFTER_MS);
      }
    }
  }

  /** Gives a grant of about `totalBytes`, and returns how much it is. */
  #grant(agent: Agent, totalBytes: number): number {
    const request = agent.request?.request;
    if (request === undefined) return 0;
    this.#grants += 1;
    const channels = cutChannels(this.#lanes, totalBytes, this.#shiftOf(agent.agentId));
    const lifetimeMs = this.#options.grantLifetimeMs ?? GRANT_LIFETIME_MS;
    const expiresAtMs = this.#nowMs + lifetimeMs;
    const grant: GivenGrant = {
      grantId: grantId(`${this.#options.instance}-${this.#grants}`),
      channels: channels.map((granted) => ({ granted, usedBytes: 0 })),
      expiresAtMs,
      takenUntilMs: expiresAtMs + (this.#options.grantGraceMs ?? GRANT_GRACE_MS),
    };
    const bytes = leftBytes(grant);
    agent.grants.set(grant.grantId, grant);
    agent.outstandingBytes += bytes;
    agent.servedOrder = this.#grants;
    agent.request = undefined;
    this.#waiting.delete(agent);
    this.#outstandingBytes += bytes;
    this.#ends.push({ agent, grant });
    this.#effects.push({
      type: 'send_grant',
      agentId: agent.agentId,
      grant: { grantId: grant.grantId, requestId: request.requestId, channels, lifetimeMs },
    });
    return bytes;
  }

  #refuseRequest(agent: Agent, refusalReason: RefusalReason, retryAfterMs: number): void {
    const request = agent.request?.request;
    this.#waiting.delete(agent);
    agent.request = undefined;
    if (request === undefined) return;
    this.#grants += 1;
    const id = grantId(`${this.#options.instance}-${this.#grants}`);
    const grant = { grantId: id, requestId: request.requestId, channels: [], lifetimeMs: 0 };
    this.#effects.push({
      type: 'send_grant',
      agentId: agent.agentId,
      grant: { ...grant, refusalReason, retryAfterMs },
    });
  }

  #deferredUntilMs(agent: Agent): number {
    return (agent.request?.sinceMs ?? 0) + (this.#options.deferTimeoutMs ?? DEFER_TIMEOUT_MS);
  }

  #shiftOf(agentId: AgentId): number {
    const yielded = this.#yields.get(agentId);
    return yielded !== undefined && yielded.untilMs > this.#nowMs ? yielded.shift : 0;
  }

  #wake(): void {
    let wakeMs = this.#ends[this.#endsTaken]?.grant.takenUntilMs ?? Number.POSITIVE_INFINITY;
    for (const agent of this.#waiting) wakeMs = Math.min(wakeMs, this.#deferredUntilMs(agent));
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }

  #viewAgent(agent: Agent, nowMs: TimeMs): ServerAgentView {
    const channels: ServerChannelView[] = [];
    for (const grant of agent.grants.values()) {
      if (grant.expiresAtMs <= nowMs) continue;
      for (const { granted, usedBytes } of grant.channels) {
        const { channel, priority, quotaBytes } = granted;
        const expiresInMs = grant.expiresAtMs - nowMs;
        channels.push({ grantId: grant.grantId, channel, priority, quotaBytes, usedBytes, expiresInMs });
      }
    }
    const { agentId, outstandingBytes } = agent;
    const requestDeferred = agent.request !== undefined;
    return { agentId, channels, outstandingBytes, requestDeferred, yieldedBy: this.#shiftOf(agentId) };
  }
}

/** Urgent backlog first, then who was served longest ago, then who waits longest. */
function compareWaiting(a: Agent, b: Agent): number {
  const urgent = Number(hasUrgent(b)) - Number(hasUrgent(a));
  if (urgent !== 0) return urgent;
  const served = a.servedOrder - b.servedOrder;
  if (served !== 0) return served;
  const since = (a.request?.sinceMs ?? 0) - (b.request?.sinceMs ?? 0);
  return since !== 0 ? since : a.agentId < b.agentId ? -1 : 1;
}

function hasUrgent(agent: Agent): boolean {
  return agent.request?.request.backlog.some(({ urgency }) => urgency === 'urgent') === true;
}

function leftBytes(grant: GivenGrant): number {
  return grant.channels.reduce((sum, { granted, usedBytes }) => sum + granted.quotaBytes - usedBytes, 0);
}
