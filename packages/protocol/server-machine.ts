/**
 * The server's uplink state machine: answers requests with grants within the journal's room, takes what it granted,
 * and acknowledges what is durable. The rules are in SPEC.md.
 *
 * Invariants: deterministic, no clock but the events' times; no grant is given that would bring the quota outstanding
 * plus the bytes being written above the journal's room; a block within a live grant is always taken; a block is
 * acknowledged only when durable.
 */

import { Fifo } from '@sluice/base/collections/fifo';
import { WaitingLine } from '@sluice/base/collections/waiting-line';
import { Admission } from './admission.ts';
import { grantId, timeMs } from './brand.ts';
import type { Lane } from './lanes.ts';
import {
  checkLanes,
  cutChannels,
  DEFAULT_LANES,
  firstBlockBytes,
  idleBytes,
  waitingBytes,
  wantedBytes,
  yieldShift,
} from './lanes.ts';
import {
  DEFER_TIMEOUT_MS,
  DRAINING_RETRY_AFTER_MS,
  GRANT_GRACE_MS,
  GRANT_LIFETIME_MS,
  LOADED_FRACTION,
  MAX_ANSWERS_PER_BLOCK,
  MAX_GRANTS_PER_AGENT,
  MAX_RECENT_NOTICES,
  MOST_RETRY_AFTER_MS,
  RETRY_AFTER_MS,
  UNLOADED_FRACTION,
  YIELD_MEMORY_MS,
} from './limits.ts';
import type {
  AgentId,
  BlockHeader,
  BlockId,
  ChannelNumber,
  ClassBacklog,
  ClosedChannel,
  GrantId,
  PriorityViolationNotice,
  RefusalReason,
  ServerId,
  TimeMs,
  UploadRequest,
} from './model.ts';
import { blockKey, MAX_BLOCK_RAW_BYTES } from './model.ts';
import { Recall } from './recall.ts';
import type { ServerEffect, ServerEvent } from './server-events.ts';
import type { Agent, GivenChannel, GivenGrant, Holding } from './server-state.ts';
import { leftBytes } from './server-state.ts';
import type { ReceivedNoticeView, ServerMachineView } from './server-view.ts';
import { viewAgent } from './server-view.ts';
import { Yielding } from './yielding.ts';

/** All but the id and the instance have defaults; times in ms. */
export interface ServerMachineOptions {
  readonly serverId: ServerId;
  /** Unique for each start of the process: no grant id is ever given twice. */
  readonly instance: string;
  readonly channels?: readonly Lane[];
  /**
   * What the journal takes when it is empty, in raw bytes: a server that starts with a full one is loaded from its first
   * grant on. Default: the most room that it ever had.
   */
  readonly journalBytes?: number;
  readonly grantLifetimeMs?: number;
  readonly grantGraceMs?: number;
  readonly deferTimeoutMs?: number;
  /** What a notice does (U11): `yield` ranks the next grants lower for a while, `ignore` only counts. */
  readonly onNotice?: 'ignore' | 'yield';
  readonly yieldMemoryMs?: number;
  /** The operator's limit on what is granted, in raw bytes per second (U17). Default: none. */
  readonly ingestLimitBytesPerSecond?: number;
  /** Added to the priorities of all lanes: a standby ranks behind. Default 0. */
  readonly priorityOffset?: number;
  /** Added while the journal is mostly full. Default 0. */
  readonly loadedOffset?: number;
  /** Added for agents of another region. Default 0. */
  readonly remoteOffset?: number;
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
  readonly #yielding: Yielding;
  readonly #line = new WaitingLine<Agent>();
  readonly #admission: Admission;
  #loaded = false;
  #lineNumbers = 0;
  /** How far the line has come, in bytes given to each that stood in it all the time. */
  #reachedBytes = 0;
  /** Grants in the order of their end (all live equally long). */
  readonly #ends = new Fifo<Holding>();
  readonly #recall = new Recall();
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
    this.#yielding = new Yielding(options.yieldMemoryMs ?? YIELD_MEMORY_MS);
    this.#lanes = checkLanes(options.channels ?? DEFAULT_LANES);
    this.#admission = new Admission(options.ingestLimitBytesPerSecond, options.journalBytes ?? 0);
  }

  step(event: ServerEvent): ServerEffect[] {
    this.#effects = [];
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    this.#admission.passTime(this.#nowMs);
    this.#yielding.passTime(this.#nowMs);
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
      roomBytes: this.#admission.roomBytes,
      drainBytesPerSecond: this.#admission.drainBytesPerSecond,
      loaded: this.#loaded,
      outstandingBytes: this.#outstandingBytes,
      writingBytes: this.#writingBytes,
      agents: [...this.#agents.values()].map((agent) =>
        viewAgent(agent, this.#shiftOf(agent.agentId), nowMs),
      ),
      noticesTotal: this.#noticesTotal,
      recentNotices: [...this.#recentNotices],
    };
  }

  #take(event: ServerEvent): void {
    switch (event.type) {
      case 'agent_connected':
        this.#disconnected(event.agentId);
        this.#agents.set(event.agentId, {
          ...{ agentId: event.agentId, isRemote: event.isRemote === true },
          ...{ grants: new Map(), request: undefined },
          ...{ outstandingBytes: 0, finishBytes: 0, startBytes: undefined, lineNumber: undefined },
        });
        return;
      case 'agent_disconnected':
        this.#disconnected(event.agentId);
        return;
      case 'request_received': {
        const agent = this.#agents.get(event.agentId);
        if (agent === undefined) return;
        for (const closed of event.request.closedChannels ?? []) this.#closeChannel(agent, closed);
        // A newer request replaces one that waits, and keeps its place.
        agent.request = { request: event.request, sinceMs: agent.request?.sinceMs ?? this.#nowMs };
        this.#lineNumbers += 1;
        agent.lineNumber ??= this.#lineNumbers;
        // Who comes anew stands where the others are, and not ahead of them for all that it was not given before.
        agent.startBytes ??= Math.max(agent.finishBytes, this.#reachedBytes);
        this.#line.add(agent, {
          ...{ rank: lineRank(event.request), served: agent.startBytes, number: agent.lineNumber },
        });
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
        this.#admission.roomChanged(event.roomBytes, this.#nowMs);
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
    // Nothing more comes on its grants: the limit gets back what was not used.
    for (const grant of agent.grants.values()) this.#end(agent, grant);
    this.#line.remove(agent);
    this.#agents.delete(agentId);
  }

  /** U2: what is not on its way yet never comes. */
  #closeChannel(agent: Agent, closed: ClosedChannel): void {
    const grant = agent.grants.get(closed.grantId);
    const channel = grant?.channels.find(({ granted }) => granted.channel === closed.channel);
    if (grant === undefined || channel === undefined) return;
    const finalBytes = Math.max(channel.usedBytes, Math.min(closed.usedBytes, channel.quotaBytes));
    this.#cut(agent, grant, channel, finalBytes);
  }

  /** The oldest grant that is used up, or else the oldest: its agent keeps fewer than there are now. */
  #endOne(agent: Agent): void {
    const [oldest] = agent.grants.values();
    const usedUp = agent.grants.values().find((grant) => leftBytes(grant) === 0);
    const ending = usedUp ?? oldest;
    if (ending !== undefined) this.#end(agent, ending);
  }

  /** No more comes on the grant: what is left of it is room for others. */
  #end(agent: Agent, grant: GivenGrant): void {
    agent.grants.delete(grant.grantId);
    if (grant.end !== undefined) this.#ends.remove(grant.end);
    for (const channel of grant.channels) this.#cut(agent, grant, channel, channel.usedBytes);
  }

  /** Quota of a channel that is never used: room for others, and the limit gets it back. */
  #cut(agent: Agent, grant: GivenGrant, channel: GivenChannel, finalBytes: number): void {
    const unusedBytes = channel.quotaBytes - finalBytes;
    channel.quotaBytes = finalBytes;
    this.#release(agent, grant, unusedBytes);
    if (!grant.isIdle) this.#admission.charge(-unusedBytes);
  }

  #noticed(agentId: AgentId, notice: PriorityViolationNotice): void {
    this.#noticesTotal += 1;
    this.#recentNotices.push({ atMs: timeMs(this.#nowMs), agentId, notice });
    if (this.#recentNotices.length > MAX_RECENT_NOTICES) this.#recentNotices.shift();
    this.#effects.push({ type: 'record_notice', agentId, notice });
    const isOurs = this.#agents.get(agentId)?.grants.has(notice.grantId) === true;
    if ((this.#options.onNotice ?? 'yield') === 'ignore' || !isOurs) return;
    this.#yielding.told(agentId, yieldShift(this.#lanes, notice), this.#nowMs);
  }

  #arrived(event: Extract<ServerEvent, { type: 'block_arrived' }>): void {
    const { agentId, block, known } = event;
    const place: Place = { agentId, grantId: event.grantId, channel: event.channel };
    const agent = this.#agents.get(agentId);
    const grant = agent?.grants.get(event.grantId);
    const channel = grant?.channels.find(({ granted }) => granted.channel === event.channel);
    const isWithin = channel !== undefined && channel.quotaBytes - channel.usedBytes >= block.rawBytes;
    const writing = this.#writing.get(blockKey(block.id));
    // What is known or being written needs no room, whatever its grant.
    if (agent !== undefined && grant !== undefined && isWithin) {
      channel.usedBytes += block.rawBytes;
      grant.lastUsedMs = this.#nowMs;
      this.#release(agent, grant, block.rawBytes);
      if (grant.isIdle) this.#admission.charge(block.rawBytes);
    }
    if (known) this.#effects.push({ type: 'acknowledge_block', blockId: block.id, ...place });
    else if (writing !== undefined) this.#join(writing, place);
    else if (channel === undefined) this.#refuse(block.id, place, 'the grant is not live here');
    else if (!isWithin) this.#refuse(block.id, place, 'past the quota of the channel');
    else {
      this.#writing.set(blockKey(block.id), { header: block, places: [place] });
      this.#writingBytes += block.rawBytes;
      const { priority } = channel.granted;
      this.#effects.push({ type: 'journal_block', agentId, blockId: block.id, priority });
    }
  }

  /** The block came a second time, and is answered once it is written. */
  #join({ header, places }: Writing, place: Place): void {
    if (places.length < MAX_ANSWERS_PER_BLOCK) places.push(place);
    else this.#refuse(header.id, place, 'it is being written, and many wait for that already');
  }

  /** Quota that is used, or will never be, is not outstanding any more. */
  #release(agent: Agent, grant: GivenGrant, bytes: number): void {
    agent.outstandingBytes -= bytes;
    this.#outstandingBytes -= bytes;
    this.#recall.released(grant, bytes);
  }

  #refuse(blockId: BlockId, place: Place, reason: string): void {
    this.#effects.push({ type: 'refuse_block', blockId, ...place, refusal: { kind: 'retryable', reason } });
  }

  #written(blockId: BlockId, failure: string | undefined): void {
    const writing = this.#writing.get(blockKey(blockId));
    if (writing === undefined) return;
    this.#writing.delete(blockKey(blockId));
    this.#writingBytes -= writing.header.rawBytes;
    if (failure === undefined) this.#admission.becameDurable(writing.header.rawBytes);
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
    for (let end = this.#ends.first; end !== undefined; end = this.#ends.first) {
      if (end.grant.takenUntilMs > this.#nowMs) return;
      this.#end(end.agent, end.grant);
    }
  }

  /** U17: gives what there is to those that wait; what cannot be given waits, and is refused after a while. */
  #answer(): void {
    this.#judgeLoad();
    this.#serveLine();
    let hasRefused = false;
    for (let agent = this.#line.longestWaiting; agent !== undefined; agent = this.#line.longestWaiting) {
      if (this.#draining) this.#refuseRequest(agent, 'draining', DRAINING_RETRY_AFTER_MS);
      else if (this.#nowMs >= this.#deferredUntilMs(agent)) {
        this.#refuseRequest(agent, 'overloaded', this.#retryAfterMs());
      } else break;
      hasRefused = true;
    }
    // Who stood behind a refused one may want little enough.
    if (hasRefused) this.#serveLine();
    this.#askBack();
  }

  /** U17: while others wait for room, quota that lies unused is asked back: as much as they need for a first block each. */
  #askBack(): void {
    const first = this.#line.first;
    if (first === undefined) return;
    const idleQuotaBytes = idleBytes(this.#admission.usableBytes, this.#agents.size);
    const needBytes = Math.max(idleQuotaBytes, firstBlockBytes(first.request?.request.backlog ?? []));
    for (const { agent, grant } of this.#recall.next(this.#line.size * needBytes, this.#nowMs)) {
      this.#effects.push({ type: 'revoke', agentId: agent.agentId, grantId: grant.grantId });
    }
  }

  #serveLine(): void {
    while (!this.#draining) {
      const agent = this.#line.first;
      if (agent === undefined || !this.#serve(agent)) break;
    }
  }

  /** Grants the first in the line its share; false when there is not enough for it. */
  #serve(agent: Agent): boolean {
    const backlog = agent.request?.request.backlog ?? [];
    const promisedBytes = this.#writingBytes + this.#outstandingBytes;
    const { usableBytes } = this.#admission;
    const idleQuotaBytes = idleBytes(usableBytes, this.#agents.size);
    const isIdle = waitingBytes(backlog) === 0;
    const needBytes = isIdle ? 0 : firstBlockBytes(backlog);
    const availableBytes = usableBytes - promisedBytes;
    const equalBytes = Math.floor(availableBytes / this.#agents.size);
    const wantBytes = wantedBytes(this.#lanes, backlog, agent.outstandingBytes, idleQuotaBytes, equalBytes);
    const { limitBytes } = this.#admission;
    if (availableBytes >= Math.max(1, isIdle ? wantBytes : needBytes) && (isIdle || limitBytes > 0)) {
      const shareBytes = Math.floor(Math.min(availableBytes / this.#line.size, limitBytes));
      const totalBytes = isIdle ? wantBytes : Math.max(needBytes, Math.min(wantBytes, shareBytes));
      this.#grant(agent, totalBytes, needBytes, isIdle);
      return true;
    }
    return this.#serveUrgent(agent, backlog, this.#admission.roomBytes - promisedBytes);
  }

  /** Urgent backlog may have all of the journal's room, and go ahead of the operator's limit. */
  #serveUrgent(agent: Agent, backlog: readonly ClassBacklog[], roomBytes: number): boolean {
    const urgentBytes = backlog.find(({ urgency }) => urgency === 'urgent')?.rawBytes ?? 0;
    const urgentNeedBytes = Math.min(urgentBytes, MAX_BLOCK_RAW_BYTES);
    if (urgentBytes === 0 || roomBytes < urgentNeedBytes || !this.#admission.lendsToUrgent) return false;
    const mostBytes = Math.min(roomBytes, this.#lanes[0]?.quotaBytes ?? 0);
    const totalBytes = Math.min(mostBytes, Math.max(urgentNeedBytes, urgentBytes));
    this.#grant(agent, totalBytes, urgentNeedBytes, false);
    return true;
  }

  /** The more wait, the later the refused come back: their requests stay few however many they are. */
  #retryAfterMs(): number {
    return Math.min(MOST_RETRY_AFTER_MS, RETRY_AFTER_MS + this.#line.size - 1);
  }

  /** A full journal ranks this server lower for its next grants, an emptier one as before: with hysteresis. */
  #judgeLoad(): void {
    const { fullness } = this.#admission;
    if (fullness >= LOADED_FRACTION) this.#loaded = true;
    else if (fullness <= UNLOADED_FRACTION) this.#loaded = false;
  }

  /** Gives a grant of `totalBytes`; an idle agent's counts against the limit only as it is used. */
  #grant(agent: Agent, totalBytes: number, needBytes: number, isIdle: boolean): void {
    const request = agent.request?.request;
    if (request === undefined) return;
    this.#grants += 1;
    const channels = cutChannels(this.#lanes, totalBytes, this.#shiftOf(agent.agentId), needBytes);
    const lifetimeMs = this.#options.grantLifetimeMs ?? GRANT_LIFETIME_MS;
    const expiresAtMs = this.#nowMs + lifetimeMs;
    const grant: GivenGrant = {
      grantId: grantId(`${this.#options.instance}-${this.#grants}`),
      isIdle,
      channels: channels.map((granted) => ({ granted, quotaBytes: granted.quotaBytes, usedBytes: 0 })),
      expiresAtMs,
      takenUntilMs: expiresAtMs + (this.#options.grantGraceMs ?? GRANT_GRACE_MS),
      lastUsedMs: this.#nowMs,
      recalledBytes: 0,
      ...{ end: undefined, recallable: undefined },
    };
    const bytes = leftBytes(grant);
    if (!isIdle) this.#admission.charge(bytes);
    agent.grants.set(grant.grantId, grant);
    if (agent.grants.size > MAX_GRANTS_PER_AGENT) this.#endOne(agent);
    agent.outstandingBytes += bytes;
    const startBytes = agent.startBytes ?? 0;
    this.#reachedBytes = Math.max(this.#reachedBytes, startBytes);
    agent.finishBytes = startBytes + (isIdle ? 0 : bytes);
    agent.request = undefined;
    agent.startBytes = undefined;
    agent.lineNumber = undefined;
    this.#line.remove(agent);
    this.#outstandingBytes += bytes;
    grant.end = this.#ends.add({ agent, grant });
    this.#recall.given(agent, grant, this.#nowMs);
    this.#effects.push({
      type: 'send_grant',
      agentId: agent.agentId,
      grant: { grantId: grant.grantId, requestId: request.requestId, channels, lifetimeMs },
    });
  }

  #refuseRequest(agent: Agent, refusalReason: RefusalReason, retryAfterMs: number): void {
    const request = agent.request?.request;
    this.#line.remove(agent);
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
    const yieldedBy = this.#yielding.shiftOf(agentId, this.#nowMs);
    const { priorityOffset = 0, loadedOffset = 0, remoteOffset = 0 } = this.#options;
    const distance = this.#agents.get(agentId)?.isRemote === true ? remoteOffset : 0;
    return Math.max(yieldedBy, distance + priorityOffset + (this.#loaded ? loadedOffset : 0));
  }

  #wake(): void {
    let wakeMs = this.#ends.first?.grant.takenUntilMs ?? Number.POSITIVE_INFINITY;
    const longest = this.#line.longestWaiting;
    if (longest !== undefined) {
      const { limitFreeAtMs } = this.#admission;
      wakeMs = Math.min(wakeMs, this.#deferredUntilMs(longest), limitFreeAtMs, this.#recall.dueMs);
    }
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }
}

/** Urgent backlog first, then those that want little because nothing waits, then the rest. */
function lineRank({ backlog }: UploadRequest): number {
  if (backlog.some(({ urgency }) => urgency === 'urgent')) return 0;
  return backlog.length === 0 ? 1 : 2;
}
