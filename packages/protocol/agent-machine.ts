/**
 * The agent's uplink state machine: asks servers, keeps their grants, and decides which block goes on which channel.
 * The rules are in SPEC.md; each step of the method has a module of its own, this one puts them together.
 *
 * Invariants: deterministic, no clock but the events' times; no block is sent without a live grant with quota; a block
 * is forgotten only after an acknowledgement; a block is never in two places.
 */

import { Random } from '@sluice/base/random';
import type { AgentEffect, AgentEvent } from './agent-events.ts';
import { AgentHistory } from './agent-history.ts';
import type { SilenceTimes } from './agent-silence.ts';
import { channelsDueMs, isSilent } from './agent-silence.ts';
import type { BlockEntry, Channel, Server } from './agent-state.ts';
import { createServer, quotaLeftBytes } from './agent-state.ts';
import type { AgentMachineView } from './agent-view.ts';
import { viewServer } from './agent-view.ts';
import { Backlog } from './backlog.ts';
import { isOlder } from './block-heap.ts';
import { requestId, timeMs } from './brand.ts';
import { chooseChannel, insertChannel, removeChannel } from './channel-order.ts';
import { canPay, countSent, createClassShares, nextRank } from './class-share.ts';
import { readGrant } from './grant-intake.ts';
import {
  IN_DOUBT_TIMEOUT_MS,
  MAX_LIVE_CHANNELS_PER_SERVER,
  MAX_REQUESTS_REMEMBERED,
  MAX_RETRY_AFTER_MS,
  MAX_SERVERS_REMEMBERED,
  MIN_RETRY_AFTER_MS,
  MINIMUM_SHARES,
  REFRESH_INTERVAL_MS,
  REFUSED_PAUSE_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_JITTER_FRACTION,
  STALL_TIMEOUT_MS,
  URGENT_WINDOW_BYTES,
  WINDOW_BYTES,
} from './limits.ts';
import type {
  BlockId,
  ChannelNumber,
  Grant,
  GrantId,
  ServerId,
  TimeMs,
  UploadRequest,
  UrgencyClass,
} from './model.ts';
import { MAX_CLOSED_CHANNELS, URGENCY_CLASSES } from './model.ts';
import type { Need } from './request-policy.ts';
import { needOf, remainsOf, requestDueMs } from './request-policy.ts';
import { noticeFor } from './violation.ts';

/** Everything has a default; times in ms. */
export interface AgentMachineOptions {
  /** For jitter. Different agents should have different seeds. */
  readonly seed?: number;
  readonly inDoubtTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly refreshIntervalMs?: number;
  /** Raw bytes sent and not acknowledged at one server, beyond which nothing but urgent blocks is sent (U7). */
  readonly windowBytes?: number;
  /** Least part of the bytes per class while more urgent ones wait (U15), 0..1. */
  readonly minimumShares?: Readonly<Record<UrgencyClass, number>>;
}

export interface AgentMachine {
  /** Advances the machine by one event and returns what to do, in order. Never throws for what a peer says. */
  step(event: AgentEvent): AgentEffect[];
  view(nowMs: TimeMs): AgentMachineView;
}

/** A machine that knows no server and holds no block. */
export function createAgentMachine(options: AgentMachineOptions = {}): AgentMachine {
  return new Machine(options);
}

class Machine implements AgentMachine {
  readonly #silence: SilenceTimes;
  readonly #times: { readonly requestTimeoutMs: number; readonly refreshIntervalMs: number };
  readonly #windowBytes: number;
  /** Raw bytes in flight per server, but for stalled channels: while blocks are sent. */
  readonly #inFlightBytes = new Map<ServerId, number>();
  readonly #random: Random;
  readonly #shares: ReturnType<typeof createClassShares>;
  readonly #servers = new Map<ServerId, Server>();
  readonly #backlog = new Backlog();
  /** All channels that may be sent on, in the order of use (U6). */
  readonly #order: Channel[] = [];
  /** Channels that are no longer sent on and have blocks in flight. */
  readonly #ending = new Set<Channel>();
  readonly #history = new AgentHistory();
  #arrivals = 0;
  #requests = 0;
  #stopping = false;
  #wakeMs = Number.POSITIVE_INFINITY;
  #nowMs = 0;
  #effects: AgentEffect[] = [];

  constructor(options: AgentMachineOptions) {
    this.#windowBytes = options.windowBytes ?? WINDOW_BYTES;
    this.#silence = {
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      inDoubtTimeoutMs: options.inDoubtTimeoutMs ?? IN_DOUBT_TIMEOUT_MS,
    };
    this.#times = {
      requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      refreshIntervalMs: options.refreshIntervalMs ?? REFRESH_INTERVAL_MS,
    };
    this.#random = new Random(options.seed ?? 1);
    this.#shares = createClassShares(options.minimumShares ?? MINIMUM_SHARES);
  }

  step(event: AgentEvent): AgentEffect[] {
    this.#effects = [];
    // A clock that went back must not bring ended grants to life.
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    this.#passTime();
    this.#take(event);
    if (!this.#stopping) {
      this.#sendBlocks();
      this.#sendRequests();
    }
    this.#wake();
    return this.#effects;
  }

  view(nowMs: TimeMs): AgentMachineView {
    const backlog = this.#backlog.unacknowledged(nowMs);
    return {
      servers: [...this.#servers.values()].map((server) =>
        viewServer(server, { order: this.#order, ending: this.#ending }, nowMs),
      ),
      backlog,
      lagMs: backlog.reduce((oldest, { oldestAgeMs }) => Math.max(oldest, oldestAgeMs), 0),
      ...this.#history.view(),
    };
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case 'server_connected':
        this.#disconnected(this.#server(event.serverId));
        this.#server(event.serverId).connected = true;
        return;
      case 'server_disconnected':
        this.#disconnected(this.#server(event.serverId));
        return;
      case 'grant_received':
        this.#granted(this.#server(event.serverId), event.grant);
        return;
      case 'revoked':
        for (const channel of this.#channelsOf(event.serverId, event.grantId, event.channel))
          this.#end(channel);
        this.#server(event.serverId).recalled = true;
        return;
      case 'block_sealed': {
        const entry = this.#backlog.add(event.block);
        if (entry === undefined) return;
        entry.foundInDoubtAt = event.inDoubtAt;
        if (event.inDoubtAt === undefined) this.#backlog.toWaiting(entry);
        else this.#backlog.toBound(entry, event.inDoubtAt, this.#nowMs + this.#silence.inDoubtTimeoutMs);
        return;
      }
      case 'block_acknowledged':
        this.#acknowledged(event.serverId, event.blockId);
        return;
      case 'block_refused':
        this.#refused(event);
        return;
      case 'channel_broken':
        for (const channel of this.#channelsOf(event.serverId, event.grantId, event.channel))
          this.#break(channel);
        return;
      case 'woken':
        // The wish is used up, also when the timer was a little early.
        this.#wakeMs = Number.POSITIVE_INFINITY;
        return;
      case 'stopping':
        this.#stopping = true;
        return;
      default:
        event satisfies never;
    }
  }

  /** What the passing of time alone changes: expiry (U4), stalled channels (U13), blocks in doubt (U14). */
  #passTime(): void {
    for (const channel of [...this.#order]) {
      if (channel.grant.expiresAtMs <= this.#nowMs) this.#end(channel);
      else if (isSilent(channel, this.#silence.stallTimeoutMs, this.#nowMs)) channel.stalled = true;
    }
    for (const channel of [...this.#order, ...this.#ending]) {
      if (isSilent(channel, this.#silence.inDoubtTimeoutMs, this.#nowMs)) this.#giveUp(channel);
    }
    this.#backlog.release(this.#nowMs);
  }

  #disconnected(server: Server): void {
    const inFlight: BlockEntry[] = [];
    for (const grant of server.grants.values()) {
      for (const channel of grant.channels) {
        inFlight.push(...channel.inFlight);
        channel.ended = true;
        removeChannel(this.#order, channel);
        this.#ending.delete(channel);
      }
    }
    for (const channel of this.#ending) {
      if (channel.serverId !== server.serverId) continue;
      inFlight.push(...channel.inFlight);
      this.#ending.delete(channel);
    }
    for (const entry of inFlight) {
      this.#backlog.toBound(entry, server.serverId, this.#nowMs + this.#silence.inDoubtTimeoutMs);
    }
    this.#servers.set(server.serverId, createServer(server.serverId));
  }

  #granted(server: Server, grant: Grant): void {
    const reading = readGrant(server, grant, this.#arrivals + 1, this.#nowMs);
    if (reading.kind === 'invalid') return;
    server.askedIds = server.askedIds.filter((asked) => asked > grant.requestId);
    // The answer to a request that was replaced: that to the latest one is still to come.
    if (server.askedIds.length === 0) server.waitingSinceMs = undefined;
    if (reading.kind === 'refused') {
      const afterMs = Math.min(Math.max(reading.retryAfterMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
      const jitter = 1 + RETRY_JITTER_FRACTION * this.#random.next();
      server.notBeforeMs = this.#nowMs + Math.ceil(afterMs * jitter);
      return;
    }
    this.#arrivals += 1;
    server.latestArrival = reading.grant.arrival;
    server.latestQuotaBytes = reading.grant.quotaBytes;
    server.grants.set(reading.grant.grantId, reading.grant);
    for (const channel of reading.grant.channels) insertChannel(this.#order, channel);
    this.#boundChannels(server);
  }

  /** Gives up the oldest channels past the limit (U19). */
  #boundChannels(server: Server): void {
    const live = this.#order.filter((channel) => channel.serverId === server.serverId);
    if (live.length <= MAX_LIVE_CHANNELS_PER_SERVER) return;
    live.sort((a, b) => a.grant.arrival - b.grant.arrival || b.channel - a.channel);
    for (const channel of live.slice(0, live.length - MAX_LIVE_CHANNELS_PER_SERVER)) this.#end(channel);
  }

  #acknowledged(serverId: ServerId, blockId: BlockId): void {
    const entry = this.#backlog.find(blockId);
    if (entry === undefined) return;
    const { channel } = entry;
    this.#history.acknowledged(entry.header.recordCount);
    this.#backlog.forget(entry);
    this.#effects.push({ type: 'forget_block', blockId });
    if (channel?.serverId === serverId) {
      channel.progressAtMs = this.#nowMs;
      channel.stalled = false;
    }
    if (channel !== undefined) this.#closeIfDone(channel);
  }

  #refused(event: Extract<AgentEvent, { type: 'block_refused' }>): void {
    const entry = this.#backlog.find(event.blockId);
    const channel = entry?.channel;
    // An answer that does not belong to where the block is now says nothing about it.
    if (entry === undefined || channel === undefined || channel.serverId !== event.serverId) return;
    channel.progressAtMs = this.#nowMs;
    channel.stalled = false;
    if (event.refusal.kind === 'malformed') {
      this.#history.setAside();
      this.#backlog.forget(entry);
      this.#effects.push({ type: 'set_aside_block', blockId: event.blockId, reason: event.refusal.reason });
    } else {
      channel.pausedUntilMs = this.#nowMs + REFUSED_PAUSE_MS;
      // A refusal may come from the own queue while an earlier send of the block is still unanswered at that server: the
      // doubt stays, and what is left of its time.
      if (entry.doubts.includes(event.serverId) && entry.doubtUntilMs > this.#nowMs) {
        this.#backlog.toBound(entry, event.serverId, entry.doubtUntilMs);
      } else this.#backlog.toWaiting(entry);
    }
    this.#closeIfDone(channel);
  }

  /** The stream is gone: its blocks go to the same server again, on other channels. */
  #break(channel: Channel): void {
    const releaseAtMs = this.#nowMs + this.#silence.inDoubtTimeoutMs;
    for (const entry of [...channel.inFlight]) this.#backlog.toBound(entry, channel.serverId, releaseAtMs);
    this.#end(channel);
    this.#closeIfDone(channel);
  }

  /** A server that answers nothing although connected: its blocks go to any server, marked (U14). */
  #giveUp(channel: Channel): void {
    for (const entry of [...channel.inFlight]) {
      this.#backlog.toBound(entry, channel.serverId, this.#nowMs + this.#silence.inDoubtTimeoutMs);
      this.#backlog.toWaiting(entry);
    }
    this.#end(channel);
    this.#closeIfDone(channel);
  }

  #end(channel: Channel): void {
    if (channel.ended) return;
    const { serverId, grant, usedBytes } = channel;
    if (quotaLeftBytes(channel) > 0) {
      const closed = { grantId: grant.grantId, channel: channel.channel, usedBytes };
      this.#server(serverId).closedChannels.push(closed);
    }
    channel.ended = true;
    removeChannel(this.#order, channel);
    this.#ending.add(channel);
    this.#closeIfDone(channel);
  }

  /** Closes a channel that has nothing left to send or to hear; drops grants that are over. */
  #closeIfDone(channel: Channel): void {
    if (quotaLeftBytes(channel) > 0 || channel.inFlight.size > 0) return;
    const isOpen = this.#ending.delete(channel) || this.#order.includes(channel);
    removeChannel(this.#order, channel);
    if (!isOpen) return;
    const { serverId, grant } = channel;
    this.#effects.push({ type: 'close_channel', serverId, grantId: grant.grantId, channel: channel.channel });
    if (grant.channels.some((other) => quotaLeftBytes(other) > 0 || other.inFlight.size > 0)) return;
    const server = this.#servers.get(serverId);
    if (server?.grants.get(grant.grantId) === grant) server.grants.delete(grant.grantId);
  }

  /** U7: blocks go out until no class has one that fits a channel and its server's window. */
  #sendBlocks(): void {
    this.#inFlightBytes.clear();
    for (const channels of [this.#order, this.#ending]) {
      for (const { serverId, stalled, inFlightBytes } of channels) {
        if (stalled) continue;
        this.#inFlightBytes.set(serverId, (this.#inFlightBytes.get(serverId) ?? 0) + inFlightBytes);
      }
    }
    while (this.#order.length > 0) {
      const next = this.#next();
      if (next === undefined) return;
      this.#send(next.entry, next.channel);
      countSent(this.#shares, next.entry.rank, next.entry.header.rawBytes, next.overtakes, (rank) =>
        this.#backlog.waits(rank),
      );
    }
  }

  #next(): { entry: BlockEntry; channel: Channel; overtakes: boolean } | undefined {
    // A class that has saved up for its block goes ahead of more urgent ones (U15).
    let isFirstWaiting = true;
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      if (!this.#backlog.waits(rank)) continue;
      if (!isFirstWaiting) {
        const found = this.#fit(rank);
        if (found !== undefined && canPay(this.#shares, rank, found.entry.header.rawBytes)) {
          return { ...found, overtakes: true };
        }
      }
      isFirstWaiting = false;
    }
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      const found = this.#backlog.waits(rank) ? this.#fit(rank) : undefined;
      if (found !== undefined) return { ...found, overtakes: false };
    }
    return undefined;
  }

  /** The oldest block of a class that fits a channel, of those that are first: for any server, and bound to each. */
  #fit(rank: number): { entry: BlockEntry; channel: Channel } | undefined {
    let found: { entry: BlockEntry; channel: Channel } | undefined;
    const consider = (entry: BlockEntry | undefined): void => {
      if (entry === undefined || (found !== undefined && isOlder(found.entry, entry))) return;
      const windowBytes = this.#windowBytes + (rank === 0 ? URGENT_WINDOW_BYTES : 0);
      const hasWindow = ({ serverId }: Channel): boolean =>
        (this.#inFlightBytes.get(serverId) ?? 0) < windowBytes;
      const channel = chooseChannel(this.#order, entry, entry.boundTo, this.#nowMs, hasWindow);
      if (channel !== undefined) found = { entry, channel };
    };
    consider(this.#backlog.firstWaiting(rank));
    for (const serverId of this.#servers.keys()) consider(this.#backlog.firstBound(serverId, rank));
    return found;
  }

  #send(entry: BlockEntry, channel: Channel): void {
    const { serverId, grant, priority } = channel;
    const block = entry.header;
    if (channel.usedBytes === 0) this.#notify(channel);
    const inDoubtAt = entry.doubts.findLast((doubt) => doubt !== serverId) ?? entry.foundInDoubtAt;
    if (channel.inFlight.size === 0) channel.progressAtMs = this.#nowMs;
    channel.usedBytes += block.rawBytes;
    this.#backlog.toInFlight(entry, channel);
    this.#inFlightBytes.set(serverId, (this.#inFlightBytes.get(serverId) ?? 0) + block.rawBytes);
    const use = { serverId, grantId: grant.grantId, channel: channel.channel, priority };
    this.#effects.push({
      type: 'send_block',
      ...use,
      block,
      ...(inDoubtAt === undefined ? {} : { inDoubtAt }),
    });
    const { urgency, rawBytes, recordCount } = block;
    const { violating } = channel;
    this.#history.used({ atMs: timeMs(this.#nowMs), ...use, urgency, rawBytes, recordCount, violating });
  }

  /** M10: at the first use of a channel, and with it. */
  #notify(channel: Channel): void {
    const notice = noticeFor(channel, this.#servers.values(), this.#nowMs);
    if (notice === undefined) return;
    const { serverId } = channel;
    channel.violating = true;
    this.#effects.push({ type: 'send_notice', serverId, notice });
    this.#history.noticed({ atMs: timeMs(this.#nowMs), serverId, notice });
  }

  #sendRequests(): void {
    for (const server of this.#servers.values()) {
      const need = this.#need(server);
      if (requestDueMs(server, need, this.#times, this.#nowMs) > this.#nowMs) continue;
      for (const channel of remainsOf(server, this.#backlog)) this.#end(channel);
      this.#requests += 1;
      server.askedIds.push(this.#requests);
      if (server.askedIds.length > MAX_REQUESTS_REMEMBERED) server.askedIds.shift();
      server.waitingSinceMs = this.#nowMs;
      server.lastRequestAtMs = this.#nowMs;
      server.recalled = false;
      server.askedRank = need.unfitRank ?? URGENCY_CLASSES.length;
      const { serverId } = server;
      const closedChannels = server.closedChannels.splice(0, MAX_CLOSED_CHANNELS);
      const request: UploadRequest = {
        requestId: requestId(this.#requests),
        backlog: this.#backlog.unsent(nextRank(this.#shares, this.#backlog), this.#nowMs),
        ...(closedChannels.length === 0 ? {} : { closedChannels }),
      };
      this.#effects.push({ type: 'send_request', serverId, request });
    }
  }

  #wake(): void {
    let wakeMs = Math.min(
      this.#backlog.nextReleaseMs,
      channelsDueMs(this.#order, this.#ending, this.#silence, this.#nowMs),
    );
    if (!this.#stopping) {
      for (const server of this.#servers.values()) {
        wakeMs = Math.min(wakeMs, requestDueMs(server, this.#need(server), this.#times, this.#nowMs));
      }
    }
    // An earlier wish that stands is good enough: waking early costs little, wishing at each event costs more.
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }

  #need(server: Server): Need {
    return needOf(server, this.#backlog, this.#order, this.#windowBytes, this.#nowMs);
  }

  #server(serverId: ServerId): Server {
    let server = this.#servers.get(serverId);
    if (server === undefined) {
      server = createServer(serverId);
      this.#servers.set(serverId, server);
      if (this.#servers.size > MAX_SERVERS_REMEMBERED) this.#forgetOther(serverId);
    }
    return server;
  }

  /** Of a server that is not connected nothing is known but its name. */
  #forgetOther(newId: ServerId): void {
    for (const { serverId, connected } of this.#servers.values()) {
      if (connected || serverId === newId) continue;
      this.#servers.delete(serverId);
      return;
    }
  }

  #channelsOf(
    serverId: ServerId,
    grantId: GrantId | undefined,
    channel: ChannelNumber | undefined,
  ): Channel[] {
    const matches = (other: Channel): boolean =>
      other.serverId === serverId &&
      (grantId === undefined || other.grant.grantId === grantId) &&
      (channel === undefined || other.channel === channel);
    return [...this.#order, ...this.#ending].filter(matches);
  }
}
