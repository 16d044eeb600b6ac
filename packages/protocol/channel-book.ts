/**
 * The agent's channels from their grant to their end: those that may be sent on, in the order of use, and those that only
 * wait for answers (U4, U13, U14, U19).
 *
 * Invariants: a channel is in the order of all, and in that of its server, exactly while it may be sent on; one that ended is
 * closed once all that was sent on it is answered; a server has at most {@link MAX_LIVE_CHANNELS_PER_SERVER} in its order.
 *
 * Times are of two kinds: grants end by the time of the events, silence counts while the agent is awake (awake-clock.ts).
 */
import type { AgentEffect } from './agent-events.ts';
import type { SilenceTimes } from './agent-silence.ts';
import { givenUpAtMs, stallsAtMs } from './agent-silence.ts';
import type { Channel, Flight, LiveGrant, Server } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { ChannelOrder } from './channel-order.ts';
import type { KnownServers } from './known-servers.ts';
import { MAX_LIVE_CHANNELS_PER_SERVER } from './limits.ts';
import type { AgentId, ChannelNumber, GrantId, ServerId } from './model.ts';
import { insertChannel, removeChannel } from './server-order.ts';
import type { StepEffects } from './step-effects.ts';

export class ChannelBook {
  readonly #silence: SilenceTimes;
  readonly #servers: KnownServers;
  readonly #backlog: Backlog;
  readonly #effects: StepEffects<AgentEffect>;
  /** All channels that may be sent on, in the order of use (U6). */
  readonly #order: ChannelOrder;
  /** Channels that are no longer sent on and have blocks in flight. */
  readonly #ending = new Set<Channel>();

  /** @param agentId decides among equal servers (U6) */
  constructor(
    agentId: AgentId | undefined,
    silence: SilenceTimes,
    servers: KnownServers,
    backlog: Backlog,
    effects: StepEffects<AgentEffect>,
  ) {
    this.#order = new ChannelOrder(agentId);
    this.#silence = silence;
    this.#servers = servers;
    this.#backlog = backlog;
    this.#effects = effects;
  }

  /** Those that may be sent on, in the order of use. Of all servers. */
  get order(): readonly Channel[] {
    return this.#order.channels;
  }

  /** Those that are no longer sent on and have blocks in flight. */
  get ending(): ReadonlySet<Channel> {
    return this.#ending;
  }

  /** Takes the channels of a new grant in, and gives up the server's oldest past the limit (U19). */
  add(server: Server, grant: LiveGrant): void {
    for (const channel of grant.channels) {
      if (channel.ended) continue;
      this.#order.add(channel);
      insertChannel(server.order, channel);
    }
    const tooMany = server.order.length - MAX_LIVE_CHANNELS_PER_SERVER;
    if (tooMany <= 0) return;
    const oldestFirst = server.order.toSorted(
      (a, b) => a.grant.arrival - b.grant.arrival || b.channel - a.channel,
    );
    for (const channel of oldestFirst.slice(0, tooMany)) this.end(channel);
  }

  /**
   * What the passing of time alone changes: expiry (U4), stalled servers (U13), silent ones (U14).
   * @param onStalled is told of each server that becomes stalled
   */
  passTime(nowMs: number, awakeMs: number, onStalled: (server: Server) => void): void {
    for (const channel of [...this.order]) if (channel.grant.expiresAtMs <= nowMs) this.end(channel);
    for (const server of this.#servers.all()) {
      if (!server.stalled && awakeMs >= stallsAtMs(server, this.#silence)) {
        server.stalled = true;
        onStalled(server);
      }
      if (awakeMs >= givenUpAtMs(server, this.#silence)) this.#giveUp(server, awakeMs);
    }
  }

  /** When the passing of time alone changes a channel next; Infinity when it changes none. In the time of events. */
  dueMs(nowMs: number, awakeMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const channel of this.order) {
      dueMs = Math.min(dueMs, channel.grant.expiresAtMs);
      if (channel.pausedUntilMs > nowMs) dueMs = Math.min(dueMs, channel.pausedUntilMs);
    }
    const sleptMs = nowMs - awakeMs;
    for (const server of this.#servers.all()) {
      const silentAtMs = server.stalled
        ? givenUpAtMs(server, this.#silence)
        : stallsAtMs(server, this.#silence);
      dueMs = Math.min(dueMs, silentAtMs + sleptMs);
    }
    return dueMs;
  }

  /** The server's channels that are not closed: of one grant, or one of it, when these are given. */
  of(serverId: ServerId, grantId: GrantId | undefined, channel: ChannelNumber | undefined): Channel[] {
    const matches = (other: Channel): boolean =>
      other.serverId === serverId &&
      (grantId === undefined || other.grant.grantId === grantId) &&
      (channel === undefined || other.channel === channel);
    return [...this.order, ...this.#ending].filter(matches);
  }

  /** The server answered: it is not silent, and owes an answer from now on if it has more to answer (U13). */
  heard(server: Server, awakeMs: number): void {
    server.stalled = false;
    server.owesSinceMs = server.inFlightBytes > 0 ? awakeMs : undefined;
  }

  /** The server's connection ended: its channels are gone, its blocks in flight wait for it (U14). */
  lose(server: Server, awakeMs: number): void {
    const inFlight: Flight[] = [];
    for (const channel of this.of(server.serverId, undefined, undefined)) {
      inFlight.push(...channel.inFlight);
      channel.ended = true;
      removeChannel(this.#order.channels, channel);
      this.#ending.delete(channel);
    }
    for (const grant of server.grants.values()) for (const channel of grant.channels) channel.ended = true;
    for (const flight of inFlight) this.#toServer(flight, awakeMs);
    this.#servers.disconnected(server.serverId);
  }

  /** The channel's stream is gone: its blocks go to the same server again, on other channels. */
  break(channel: Channel, awakeMs: number): void {
    for (const flight of [...channel.inFlight]) this.#toServer(flight, awakeMs);
    const { server } = channel;
    // What it owed broke with the stream.
    if (server.inFlightBytes === 0) this.heard(server, awakeMs);
    this.end(channel);
    this.closeIfDone(channel);
  }

  /** Nothing more is sent on the channel. Quota that it has left is told to its server with the next request (U2). */
  end(channel: Channel): void {
    if (channel.ended) return;
    const { server, grant, usedBytes } = channel;
    if (quotaLeftBytes(channel) > 0) {
      server.closedChannels.push({ grantId: grant.grantId, channel: channel.channel, usedBytes });
    }
    channel.ended = true;
    this.#leaveOrder(channel);
    this.#ending.add(channel);
    this.closeIfDone(channel);
  }

  /** Closes a channel that has nothing left to send or to hear; drops grants that are over. */
  closeIfDone(channel: Channel): void {
    if (quotaLeftBytes(channel) > 0 || channel.inFlight.size > 0) return;
    const isOpen = this.#ending.delete(channel) || this.order.includes(channel);
    this.#leaveOrder(channel);
    if (!isOpen) return;
    const { server, serverId, grant } = channel;
    this.#effects.push({ type: 'close_channel', serverId, grantId: grant.grantId, channel: channel.channel });
    if (grant.channels.some((other) => quotaLeftBytes(other) > 0 || other.inFlight.size > 0)) return;
    if (server.grants.get(grant.grantId) === grant) server.grants.delete(grant.grantId);
  }

  #leaveOrder(channel: Channel): void {
    removeChannel(this.#order.channels, channel);
    removeChannel(channel.server.order, channel);
  }

  /** The copy may be durable at its server, and nobody will say: its block waits for that server, unless another copy flies. */
  #toServer(flight: Flight, awakeMs: number): void {
    const { entry, channel } = flight;
    this.#backlog.land(flight);
    if (entry.flights.length > 0) this.#backlog.doubt(entry, channel.serverId);
    else this.#backlog.toBound(entry, channel.serverId, awakeMs + this.#silence.inDoubtTimeoutMs);
  }

  /**
   * A server that answers nothing although connected: its blocks go to any server, marked (U14). It is tried again with a small
   * window, on new grants.
   */
  #giveUp(server: Server, awakeMs: number): void {
    for (const channel of this.of(server.serverId, undefined, undefined)) {
      for (const flight of [...channel.inFlight]) {
        const { entry } = flight;
        this.#toServer(flight, awakeMs);
        if (entry.place === 'bound') this.#backlog.toWaiting(entry);
      }
      this.end(channel);
      this.closeIfDone(channel);
    }
    server.pace.forgetRate();
    this.heard(server, awakeMs);
  }
}
