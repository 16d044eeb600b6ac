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
import type { Server } from './agent-state.ts';
import type { AgentMachineView } from './agent-view.ts';
import { viewServer } from './agent-view.ts';
import { Backlog } from './backlog.ts';
import { BlockSender } from './block-sender.ts';
import { timeMs } from './brand.ts';
import { ChannelBook } from './channel-book.ts';
import { createClassShares } from './class-share.ts';
import { readGrant } from './grant-intake.ts';
import { KnownServers } from './known-servers.ts';
import {
  IN_DOUBT_TIMEOUT_MS,
  MAX_RETRY_AFTER_MS,
  MIN_RETRY_AFTER_MS,
  MINIMUM_SHARES,
  REFRESH_INTERVAL_MS,
  REFUSED_PAUSE_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_JITTER_FRACTION,
  STALL_TIMEOUT_MS,
  WINDOW_BYTES,
} from './limits.ts';
import type { BlockId, Grant, ServerId, TimeMs, UrgencyClass } from './model.ts';
import { RequestSender } from './request-sender.ts';
import { StepEffects } from './step-effects.ts';

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
  return new AgentUplinkMachine(options);
}

class AgentUplinkMachine implements AgentMachine {
  readonly #inDoubtTimeoutMs: number;
  readonly #random: Random;
  readonly #effects = new StepEffects<AgentEffect>();
  readonly #servers = new KnownServers();
  readonly #backlog = new Backlog();
  readonly #history = new AgentHistory();
  readonly #channels: ChannelBook;
  readonly #sender: BlockSender;
  readonly #requests: RequestSender;
  #arrivals = 0;
  #stopping = false;
  #wakeMs = Number.POSITIVE_INFINITY;
  #nowMs = 0;

  constructor(options: AgentMachineOptions) {
    this.#inDoubtTimeoutMs = options.inDoubtTimeoutMs ?? IN_DOUBT_TIMEOUT_MS;
    this.#random = new Random(options.seed ?? 1);
    const servers = this.#servers;
    const backlog = this.#backlog;
    const effects = this.#effects;
    const shares = createClassShares(options.minimumShares ?? MINIMUM_SHARES);
    const windowBytes = options.windowBytes ?? WINDOW_BYTES;
    const silence = {
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      inDoubtTimeoutMs: this.#inDoubtTimeoutMs,
    };
    const channels = new ChannelBook(silence, servers, backlog, effects);
    this.#channels = channels;
    const parts = { servers, channels, backlog, shares, history: this.#history, effects };
    this.#sender = new BlockSender(windowBytes, parts);
    this.#requests = new RequestSender(
      {
        requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
        refreshIntervalMs: options.refreshIntervalMs ?? REFRESH_INTERVAL_MS,
        windowBytes,
      },
      parts,
    );
  }

  step(event: AgentEvent): AgentEffect[] {
    this.#effects.begin();
    // A clock that went back must not bring ended grants to life.
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    this.#channels.passTime(this.#nowMs);
    this.#backlog.release(this.#nowMs);
    this.#take(event);
    if (!this.#stopping) {
      this.#sender.send(this.#nowMs);
      this.#requests.send(this.#nowMs);
    }
    this.#wake();
    return this.#effects.all;
  }

  view(nowMs: TimeMs): AgentMachineView {
    const backlog = this.#backlog.unacknowledged(nowMs);
    return {
      servers: [...this.#servers.all()].map((server) => viewServer(server, this.#channels, nowMs)),
      backlog,
      lagMs: backlog.reduce((oldest, { oldestAgeMs }) => Math.max(oldest, oldestAgeMs), 0),
      urgentLagMs: backlog.find(({ urgency }) => urgency === 'urgent')?.oldestAgeMs ?? 0,
      ...this.#history.view(),
    };
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case 'server_connected':
        this.#channels.lose(this.#servers.named(event.serverId), this.#nowMs);
        this.#servers.named(event.serverId).connected = true;
        return;
      case 'server_disconnected':
        this.#channels.lose(this.#servers.named(event.serverId), this.#nowMs);
        return;
      case 'grant_received':
        this.#granted(this.#servers.named(event.serverId), event.grant);
        return;
      case 'revoked':
        this.#revoked(event);
        return;
      case 'block_sealed':
        this.#sealed(event);
        return;
      case 'block_acknowledged':
        this.#acknowledged(event.serverId, event.blockId);
        return;
      case 'block_refused':
        this.#refused(event);
        return;
      case 'channel_broken':
        for (const channel of this.#channels.of(event.serverId, event.grantId, event.channel))
          this.#channels.break(channel, this.#nowMs);
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

  #granted(server: Server, grant: Grant): void {
    const about = { atMs: timeMs(this.#nowMs), serverId: server.serverId };
    const reading = readGrant(server, grant, this.#arrivals + 1, this.#nowMs);
    if (reading.kind === 'invalid') {
      const reason = `an answer to request ${grant.requestId} that cannot be used`;
      this.#history.happened({ ...about, kind: 'problem', reason });
      return;
    }
    server.askedIds = server.askedIds.filter((asked) => asked > grant.requestId);
    // The answer to a request that was replaced: that to the latest one is still to come.
    if (server.askedIds.length === 0) server.waitingSinceMs = undefined;
    if (reading.kind === 'refused') {
      const afterMs = Math.min(Math.max(reading.retryAfterMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
      const jitter = 1 + RETRY_JITTER_FRACTION * this.#random.next();
      const waitMs = Math.ceil(afterMs * jitter);
      server.notBeforeMs = this.#nowMs + waitMs;
      const reason = `${grant.refusalReason ?? 'no reason'}, again in ${waitMs} ms`;
      this.#history.happened({ ...about, kind: 'refusal', reason });
      return;
    }
    this.#arrivals += 1;
    server.latestArrival = reading.grant.arrival;
    server.latestQuotaBytes = reading.grant.quotaBytes;
    server.grants.set(reading.grant.grantId, reading.grant);
    this.#channels.add(server, reading.grant);
    this.#history.happened({
      ...{ ...about, kind: 'grant', reason: `answers request ${grant.requestId}` },
      rawBytes: reading.grant.quotaBytes,
      priorities: reading.grant.channels.map(({ priority }) => priority),
    });
  }

  #revoked({ serverId, grantId, channel }: Extract<AgentEvent, { type: 'revoked' }>): void {
    for (const ending of this.#channels.of(serverId, grantId, channel)) this.#channels.end(ending);
    this.#servers.named(serverId).recalled = true;
    const reason = grantId === undefined ? 'all grants' : `grant ${grantId}`;
    this.#history.happened({ atMs: timeMs(this.#nowMs), serverId, kind: 'recall', reason });
  }

  #sealed({ block, inDoubtAt }: Extract<AgentEvent, { type: 'block_sealed' }>): void {
    const entry = this.#backlog.add(block);
    if (entry === undefined) return;
    entry.foundInDoubtAt = inDoubtAt;
    if (inDoubtAt === undefined) this.#backlog.toWaiting(entry);
    else this.#backlog.toBound(entry, inDoubtAt, this.#nowMs + this.#inDoubtTimeoutMs);
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
    if (channel !== undefined) this.#channels.closeIfDone(channel);
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
    this.#channels.closeIfDone(channel);
  }

  #wake(): void {
    let wakeMs = Math.min(this.#backlog.nextReleaseMs, this.#channels.dueMs(this.#nowMs));
    if (!this.#stopping) wakeMs = Math.min(wakeMs, this.#requests.dueMs(this.#nowMs));
    // An earlier wish that stands is good enough: waking early costs little, wishing at each event costs more.
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }
}
