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
import type { Channel, Flight, Server } from './agent-state.ts';
import type { AgentMachineView } from './agent-view.ts';
import { viewServer } from './agent-view.ts';
import { AwakeClock } from './awake-clock.ts';
import { Backlog } from './backlog.ts';
import { BlockSender } from './block-sender.ts';
import { timeMs } from './brand.ts';
import { ChannelBook } from './channel-book.ts';
import { createClassShares } from './class-share.ts';
import { readGrant } from './grant-intake.ts';
import { KnownServers } from './known-servers.ts';
import {
  BLOCK_DELAY_MS,
  IN_DOUBT_TIMEOUT_MS,
  LEAST_BLOCK_WANTED_BYTES,
  MAX_GRANTS_REMEMBERED,
  MAX_HEDGE_CREDIT_BYTES,
  MAX_RETRY_AFTER_MS,
  MAX_USELESS_GRANT_PAUSE_MS,
  MIN_RETRY_AFTER_MS,
  MINIMUM_SHARES,
  REFRESH_INTERVAL_MS,
  REFUSED_PAUSE_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_JITTER_FRACTION,
  STALL_LEAST_MS,
  STALL_TIMEOUT_MS,
  USELESS_GRANT_PAUSE_MS,
  WINDOW_BYTES,
} from './limits.ts';
import type { AgentId, BlockId, Grant, ServerId, TimeMs, UrgencyClass } from './model.ts';
import { MAX_BLOCK_RAW_BYTES } from './model.ts';
import { RequestSender } from './request-sender.ts';
import { StepEffects } from './step-effects.ts';

/** Everything has a default; times in ms. */
export interface AgentMachineOptions {
  /** For jitter. Different agents should have different seeds. */
  readonly seed?: number;
  /** Whose machine it is: decides which of equal servers it prefers (U6). */
  readonly agentId?: AgentId;
  readonly inDoubtTimeoutMs?: number;
  /** Longest and least time until a server that owes an answer is stalled (U13). */
  readonly stallTimeoutMs?: number;
  readonly leastStallMs?: number;
  /** Most raw bytes that are saved up for second copies of urgent blocks (U23); 0: there are none. */
  readonly hedgeCreditBytes?: number;
  readonly requestTimeoutMs?: number;
  readonly refreshIntervalMs?: number;
  /** Most raw bytes sent and not acknowledged at one server, beyond which nothing but urgent blocks is sent (U7, U23). */
  readonly windowBytes?: number;
  /** The same while it is not known how fast the server answers. */
  readonly firstWindowBytes?: number;
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
  readonly #servers: KnownServers;
  readonly #backlog = new Backlog();
  readonly #history = new AgentHistory();
  readonly #channels: ChannelBook;
  readonly #sender: BlockSender;
  readonly #requests: RequestSender;
  readonly #clock = new AwakeClock();
  #arrivals = 0;
  #stopping = false;
  #wakeMs = Number.POSITIVE_INFINITY;
  #nowMs = 0;
  /** The same, without the time that the agent slept: silence is measured in it. */
  #awakeMs = 0;

  constructor(options: AgentMachineOptions) {
    this.#inDoubtTimeoutMs = options.inDoubtTimeoutMs ?? IN_DOUBT_TIMEOUT_MS;
    this.#random = new Random(options.seed ?? 1);
    this.#servers = new KnownServers(options.firstWindowBytes);
    const servers = this.#servers;
    const backlog = this.#backlog;
    const effects = this.#effects;
    const shares = createClassShares(options.minimumShares ?? MINIMUM_SHARES);
    const windowBytes = options.windowBytes ?? WINDOW_BYTES;
    const silence = {
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      leastStallMs: options.leastStallMs ?? STALL_LEAST_MS,
      inDoubtTimeoutMs: this.#inDoubtTimeoutMs,
      windowBytes,
    };
    const channels = new ChannelBook(options.agentId, silence, servers, backlog, effects);
    this.#channels = channels;
    const parts = { servers, channels, backlog, shares, history: this.#history, effects };
    this.#sender = new BlockSender(windowBytes, options.hedgeCreditBytes ?? MAX_HEDGE_CREDIT_BYTES, parts);
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
    this.#awakeMs = this.#clock.at(this.#nowMs);
    this.#channels.passTime(this.#nowMs, this.#awakeMs, this.#stalled);
    this.#backlog.release(this.#awakeMs);
    this.#take(event);
    if (!this.#stopping) {
      this.#sender.send(this.#nowMs, this.#awakeMs);
      if (this.#requests.send(this.#nowMs)) this.#sender.send(this.#nowMs, this.#awakeMs);
    }
    this.#wake();
    return this.#effects.all;
  }

  view(nowMs: TimeMs): AgentMachineView {
    const backlog = this.#backlog.unacknowledged(nowMs);
    const ageOf = (wanted: UrgencyClass): number =>
      backlog.find(({ urgency }) => urgency === wanted)?.oldestAgeMs ?? 0;
    return {
      servers: [...this.#servers.all()].map((server) => viewServer(server, this.#channels, nowMs)),
      backlog,
      lagMs: backlog.reduce((oldest, { oldestAgeMs }) => Math.max(oldest, oldestAgeMs), 0),
      urgentLagMs: ageOf('urgent'),
      blockBytesWanted: this.#blockBytesWanted(),
      ...this.#history.view(),
    };
  }

  #take(event: AgentEvent): void {
    switch (event.type) {
      case 'server_connected':
        this.#channels.lose(this.#servers.named(event.serverId), this.#awakeMs);
        this.#servers.named(event.serverId).connected = true;
        return;
      case 'server_disconnected':
        this.#channels.lose(this.#servers.named(event.serverId), this.#awakeMs);
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
          this.#channels.break(channel, this.#awakeMs);
        return;
      case 'woken':
        // The wish is used up, also when the timer was a little early.
        this.#wakeMs = Number.POSITIVE_INFINITY;
        this.#clock.wishes(this.#wakeMs);
        return;
      case 'stopping':
        this.#stopping = true;
        return;
      default:
        event satisfies never;
    }
  }

  #granted(server: Server, grant: Grant): void {
    const { serverId } = server;
    const about = { atMs: timeMs(this.#nowMs), serverId };
    const reading = readGrant(server, grant, this.#arrivals + 1, this.#nowMs);
    if (reading.kind === 'invalid') {
      this.#problem(server, reading.problem);
      if (!reading.answers) return;
    }
    server.askedIds = server.askedIds.filter((asked) => asked > grant.requestId);
    // The answer to a request that was replaced: that to the latest one is still to come.
    if (server.askedIds.length === 0) server.waitingSinceMs = undefined;
    if (reading.kind === 'refused') {
      const afterMs = Math.min(Math.max(reading.retryAfterMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
      const waitMs = this.#waitOut(server, afterMs);
      const reason = `${grant.refusalReason ?? 'no reason'}, again in ${waitMs} ms`;
      this.#history.happened({ ...about, kind: 'refusal', reason });
      return;
    }
    const room = reading.kind === 'granted' ? reading.grant : undefined;
    const largestBytes = Math.max(0, ...(room?.channels.map(({ quotaBytes }) => quotaBytes) ?? []));
    this.#judgeUse(server, largestBytes);
    if (room === undefined || room.quotaBytes === 0) return;
    this.#arrivals += 1;
    server.latestArrival = room.arrival;
    server.latestQuotaBytes = room.quotaBytes;
    server.grants.set(room.grantId, room);
    server.grantIds.push(room.grantId);
    if (server.grantIds.length > MAX_GRANTS_REMEMBERED) server.grantIds.shift();
    this.#channels.add(server, room);
    this.#history.happened({
      ...{ ...about, kind: 'grant', reason: `answers request ${grant.requestId}`, rawBytes: room.quotaBytes },
      priorities: room.channels.map(({ priority }) => priority),
    });
  }

  /** A grant on which no block fits that the server was told of: it is asked ever less often (U3). */
  #judgeUse(server: Server, largestBytes: number): void {
    if (server.waitingSinceMs !== undefined || server.askedBytes === Number.POSITIVE_INFINITY) return;
    if (largestBytes >= server.askedBytes) {
      server.uselessGrants = 0;
      return;
    }
    const pauseMs = USELESS_GRANT_PAUSE_MS * 2 ** Math.min(server.uselessGrants, 16);
    server.uselessGrants += 1;
    const waitMs = this.#waitOut(server, Math.min(pauseMs, MAX_USELESS_GRANT_PAUSE_MS));
    const needText = `the smallest block that is next has ${server.askedBytes} bytes`;
    this.#problem(
      server,
      `a grant of ${largestBytes} bytes at most on a channel, and ${needText}; asked again in ${waitMs} ms`,
    );
  }

  /** Does not ask the server for this long, and a random part more. @returns how long, in ms */
  #waitOut(server: Server, leastMs: number): number {
    const waitMs = Math.ceil(leastMs * (1 + RETRY_JITTER_FRACTION * this.#random.next()));
    server.notBeforeMs = Math.max(server.notBeforeMs, this.#nowMs + waitMs);
    return waitMs;
  }

  /** A field, so that no step makes a function. */
  readonly #stalled = ({ serverId, owesSinceMs = this.#awakeMs }: Server): void => {
    const reason = `no answer for ${Math.round(this.#awakeMs - owesSinceMs)} ms`;
    this.#history.happened({ atMs: timeMs(this.#nowMs), serverId, kind: 'stall', reason });
  };

  #problem({ serverId }: Server, problem: string): void {
    this.#effects.push({ type: 'peer_problem', serverId, problem });
    this.#history.happened({ atMs: timeMs(this.#nowMs), serverId, kind: 'problem', reason: problem });
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
    else this.#backlog.toBound(entry, inDoubtAt, this.#awakeMs + this.#inDoubtTimeoutMs);
  }

  #acknowledged(serverId: ServerId, blockId: BlockId): void {
    const entry = this.#backlog.find(blockId);
    const flights = [...(entry?.flights ?? [])];
    if (entry !== undefined) {
      this.#history.acknowledged(entry.header.recordCount);
      this.#backlog.forget(entry);
      this.#effects.push({ type: 'forget_block', blockId });
    }
    this.#answered(
      serverId,
      flights.find(({ channel }) => channel.serverId === serverId),
    );
    for (const { channel } of flights) this.#channels.closeIfDone(channel);
  }

  /** The server answered, be it a block that is settled meanwhile. @param flight the copy that it answered, landed already */
  #answered(serverId: ServerId, flight: Flight | undefined): void {
    const server = this.#servers.find(serverId);
    if (server === undefined) return;
    if (flight !== undefined) {
      server.pace.answered(flight.mark, flight.entry.header.rawBytes, this.#awakeMs);
    }
    this.#channels.heard(server, this.#awakeMs);
  }

  #refused(event: Extract<AgentEvent, { type: 'block_refused' }>): void {
    const entry = this.#backlog.find(event.blockId);
    const flight = entry?.flights.find(({ channel }) => channel.serverId === event.serverId);
    // An answer that does not belong to where the block is now says nothing about it.
    if (entry === undefined || flight === undefined) return;
    const channels = entry.flights.map(({ channel }) => channel);
    if (event.refusal.kind === 'malformed') {
      this.#history.setAside();
      this.#backlog.forget(entry);
      this.#effects.push({ type: 'set_aside_block', blockId: event.blockId, reason: event.refusal.reason });
    } else {
      flight.channel.pausedUntilMs = this.#nowMs + REFUSED_PAUSE_MS;
      this.#backlog.land(flight);
      if (entry.flights.length === 0) this.#comesBack(flight);
    }
    this.#channels.heard(flight.channel.server, this.#awakeMs);
    for (const channel of channels) this.#channels.closeIfDone(channel);
  }

  /** No copy of the block is on its way any more. */
  #comesBack({ entry, channel }: { readonly entry: Flight['entry']; readonly channel: Channel }): void {
    const { serverId } = channel;
    // A refusal may come from the own queue while an earlier send of the block is still unanswered at that server: the doubt
    // stays, and what is left of its time.
    if (entry.doubts.includes(serverId) && entry.doubtUntilMs > this.#awakeMs) {
      this.#backlog.toBound(entry, serverId, entry.doubtUntilMs);
    } else this.#backlog.toWaiting(entry);
  }

  /** Of the servers that answer, the slowest decides: any of them may get the next block. */
  #blockBytesWanted(): number {
    let bytes = MAX_BLOCK_RAW_BYTES;
    for (const { connected, stalled, pace } of this.#servers.all()) {
      if (!connected || stalled || pace.rate === 0) continue;
      bytes = Math.min(bytes, pace.rate * BLOCK_DELAY_MS);
    }
    return Math.max(LEAST_BLOCK_WANTED_BYTES, Math.floor(bytes));
  }

  #wake(): void {
    const sleptMs = this.#nowMs - this.#awakeMs;
    let wakeMs = Math.min(
      this.#backlog.nextReleaseMs + sleptMs,
      this.#channels.dueMs(this.#nowMs, this.#awakeMs),
    );
    if (!this.#stopping) {
      const sendMs = this.#sender.dueMs(this.#awakeMs) + sleptMs;
      wakeMs = Math.min(wakeMs, sendMs, this.#requests.dueMs(this.#nowMs));
    }
    // An earlier wish that stands is good enough: waking early costs little, wishing at each event costs more.
    if (!Number.isFinite(wakeMs)) return;
    if (this.#wakeMs > this.#nowMs && this.#wakeMs <= wakeMs) return;
    this.#wakeMs = Math.max(wakeMs, this.#nowMs + 1);
    this.#clock.wishes(this.#wakeMs);
    this.#effects.push({ type: 'wake_at', atMs: timeMs(this.#wakeMs) });
  }
}
