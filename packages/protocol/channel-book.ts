/**
 * The agent's channels from their grant to their end: those that may be sent on, in the order of use, and those that only
 * wait for answers (U4, U13, U14, U19).
 *
 * Invariants: a channel is in the order exactly while it may be sent on; one that ended is closed once all that was sent on
 * it is answered; a server has at most {@link MAX_LIVE_CHANNELS_PER_SERVER} in the order.
 */
import type { AgentEffect } from './agent-events.ts';
import type { SilenceTimes } from './agent-silence.ts';
import { channelsDueMs, isSilent } from './agent-silence.ts';
import type { BlockEntry, Channel, LiveGrant, Server } from './agent-state.ts';
import { quotaLeftBytes } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { insertChannel, removeChannel } from './channel-order.ts';
import type { KnownServers } from './known-servers.ts';
import { MAX_LIVE_CHANNELS_PER_SERVER } from './limits.ts';
import type { ChannelNumber, GrantId, ServerId } from './model.ts';
import type { StepEffects } from './step-effects.ts';

export class ChannelBook {
  readonly #silence: SilenceTimes;
  readonly #servers: KnownServers;
  readonly #backlog: Backlog;
  readonly #effects: StepEffects<AgentEffect>;
  /** All channels that may be sent on, in the order of use (U6). */
  readonly #order: Channel[] = [];
  /** Channels that are no longer sent on and have blocks in flight. */
  readonly #ending = new Set<Channel>();

  constructor(
    silence: SilenceTimes,
    servers: KnownServers,
    backlog: Backlog,
    effects: StepEffects<AgentEffect>,
  ) {
    this.#silence = silence;
    this.#servers = servers;
    this.#backlog = backlog;
    this.#effects = effects;
  }

  /** Those that may be sent on, in the order of use. Of all servers. */
  get order(): readonly Channel[] {
    return this.#order;
  }

  /** Those that are no longer sent on and have blocks in flight. */
  get ending(): ReadonlySet<Channel> {
    return this.#ending;
  }

  /** Takes the channels of a new grant in, and gives up the server's oldest past the limit (U19). */
  add(server: Server, grant: LiveGrant): void {
    for (const channel of grant.channels) insertChannel(this.#order, channel);
    const live = this.#order.filter((channel) => channel.serverId === server.serverId);
    if (live.length <= MAX_LIVE_CHANNELS_PER_SERVER) return;
    live.sort((a, b) => a.grant.arrival - b.grant.arrival || b.channel - a.channel);
    for (const channel of live.slice(0, live.length - MAX_LIVE_CHANNELS_PER_SERVER)) this.end(channel);
  }

  /** What the passing of time alone changes: expiry (U4), stalled channels (U13), silent servers (U14). */
  passTime(nowMs: number): void {
    for (const channel of [...this.#order]) {
      if (channel.grant.expiresAtMs <= nowMs) this.end(channel);
      else if (isSilent(channel, this.#silence.stallTimeoutMs, nowMs)) channel.stalled = true;
    }
    for (const channel of [...this.#order, ...this.#ending]) {
      if (isSilent(channel, this.#silence.inDoubtTimeoutMs, nowMs)) this.#giveUp(channel, nowMs);
    }
  }

  /** When the passing of time alone changes a channel next; Infinity when it changes none. */
  dueMs(nowMs: number): number {
    return channelsDueMs(this.#order, this.#ending, this.#silence, nowMs);
  }

  /** The server's channels that are not closed: of one grant, or one of it, when these are given. */
  of(serverId: ServerId, grantId: GrantId | undefined, channel: ChannelNumber | undefined): Channel[] {
    const matches = (other: Channel): boolean =>
      other.serverId === serverId &&
      (grantId === undefined || other.grant.grantId === grantId) &&
      (channel === undefined || other.channel === channel);
    return [...this.#order, ...this.#ending].filter(matches);
  }

  /** The server's connection ended: its channels are gone, its blocks in flight wait for it (U14). */
  lose(server: Server, nowMs: number): void {
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
      this.#backlog.toBound(entry, server.serverId, nowMs + this.#silence.inDoubtTimeoutMs);
    }
    this.#servers.disconnected(server.serverId);
  }

  /** The channel's stream is gone: its blocks go to the same server again, on other channels. */
  break(channel: Channel, nowMs: number): void {
    const releaseAtMs = nowMs + this.#silence.inDoubtTimeoutMs;
    for (const entry of [...channel.inFlight]) this.#backlog.toBound(entry, channel.serverId, releaseAtMs);
    this.end(channel);
    this.closeIfDone(channel);
  }

  /** Nothing more is sent on the channel. Quota that it has left is told to its server with the next request (U2). */
  end(channel: Channel): void {
    if (channel.ended) return;
    const { serverId, grant, usedBytes } = channel;
    if (quotaLeftBytes(channel) > 0) {
      const closed = { grantId: grant.grantId, channel: channel.channel, usedBytes };
      this.#servers.named(serverId).closedChannels.push(closed);
    }
    channel.ended = true;
    removeChannel(this.#order, channel);
    this.#ending.add(channel);
    this.closeIfDone(channel);
  }

  /** Closes a channel that has nothing left to send or to hear; drops grants that are over. */
  closeIfDone(channel: Channel): void {
    if (quotaLeftBytes(channel) > 0 || channel.inFlight.size > 0) return;
    const isOpen = this.#ending.delete(channel) || this.#order.includes(channel);
    removeChannel(this.#order, channel);
    if (!isOpen) return;
    const { serverId, grant } = channel;
    this.#effects.push({ type: 'close_channel', serverId, grantId: grant.grantId, channel: channel.channel });
    if (grant.channels.some((other) => quotaLeftBytes(other) > 0 || other.inFlight.size > 0)) return;
    const server = this.#servers.find(serverId);
    if (server?.grants.get(grant.grantId) === grant) server.grants.delete(grant.grantId);
  }

  /** A server that answers nothing although connected: its blocks go to any server, marked (U14). */
  #giveUp(channel: Channel, nowMs: number): void {
    for (const entry of [...channel.inFlight]) {
      this.#backlog.toBound(entry, channel.serverId, nowMs + this.#silence.inDoubtTimeoutMs);
      this.#backlog.toWaiting(entry);
    }
    this.end(channel);
    this.closeIfDone(channel);
  }
}
