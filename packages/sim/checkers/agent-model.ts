/**
 * An agent's uplink as SPEC.md tells it, written a second time and in another way: slow and plain, everything is looked
 * up afresh. It follows the events that the machine was given and says what the machine must send next.
 *
 * Invariants: it reads events only; effects change it in `sent` alone.
 */

import type { AgentEvent } from '@sluice/protocol/agent-events';
import {
  IN_DOUBT_TIMEOUT_MS,
  MAX_LIVE_CHANNELS_PER_SERVER,
  MAX_REQUESTS_REMEMBERED,
  MAX_SHARE_CREDIT_BYTES,
  MINIMUM_SHARES,
  REFUSED_PAUSE_MS,
  REQUEST_TIMEOUT_MS,
  STALL_TIMEOUT_MS,
} from '@sluice/protocol/limits';
import type { Grant, OutrankingServer, ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES, urgencyRank } from '@sluice/protocol/model';
import type { ModelBlock, ModelChannel } from './agent-books.ts';
import { AgentBooks, closedText, hasQuota, left } from './agent-books.ts';

/** What must be sent next, and on which channel. */
export interface ExpectedSend {
  readonly block: ModelBlock;
  readonly channel: ModelChannel;
  readonly overtakes: boolean;
}

/** What a server was asked and has not answered. */
interface Asked {
  /** Oldest first. */
  readonly requestIds: Set<number>;
  /** Of the latest request: when it was made, and the most urgent class that had no quota then. */
  latestMs: number;
  latestRank: number;
  /** Quota was taken back since then. */
  isRecalled: boolean;
}

export class AgentModel {
  readonly books: AgentBooks = new AgentBooks();
  isStopping = false;
  nowMs = 0;
  readonly #connected = new Set<ServerId>();
  readonly #asked = new Map<ServerId, Asked>();
  readonly #credit = URGENCY_CLASSES.map(() => 0);
  #arrivals = 0;
  /** Arrival of each server's latest grant. */
  readonly #latest = new Map<ServerId, number>();
  /** What was used of channels that ended with quota left, until it is told (U2). */
  readonly #untold = new Map<ServerId, string[]>();

  /** Time passes, then the event happens. */
  take(event: AgentEvent, nowMs: number): void {
    this.#passTime(nowMs);
    switch (event.type) {
      case 'server_connected':
        this.#lose(event.serverId, nowMs);
        this.#connected.add(event.serverId);
        this.#asked.set(event.serverId, {
          ...{ requestIds: new Set(), latestMs: Number.NEGATIVE_INFINITY, latestRank: 0, isRecalled: false },
        });
        return;
      case 'server_disconnected':
        this.#lose(event.serverId, nowMs);
        this.#connected.delete(event.serverId);
        this.#asked.delete(event.serverId);
        return;
      case 'grant_received':
        this.#grant(event.serverId, event.grant, nowMs);
        return;
      case 'revoked':
      case 'channel_broken': {
        const asked = this.#asked.get(event.serverId);
        if (asked !== undefined && event.type === 'revoked') asked.isRecalled = true;
        for (const channel of this.books.channels) {
          if (channel.serverId !== event.serverId) continue;
          if (event.grantId !== undefined && event.grantId !== channel.grantId) continue;
          if (event.channel !== undefined && event.channel !== channel.number) continue;
          this.#end(channel);
          if (event.type === 'revoked') continue;
          for (const block of this.books.inFlight(channel)) this.#bind(block, channel.serverId, nowMs);
        }
        return;
      }
      case 'block_sealed': {
        const { block: header, inDoubtAt } = event;
        const block: ModelBlock = {
          ...{ header, rank: urgencyRank(header.urgency), channel: undefined, boundTo: undefined },
          ...{ boundUntilMs: 0, doubts: [], doubtUntilMs: 0, foundInDoubtAt: inDoubtAt },
        };
        this.books.blocks.set(header.id.sequence, block);
        if (inDoubtAt !== undefined) this.#bind(block, inDoubtAt, nowMs);
        return;
      }
      case 'block_acknowledged': {
        const block = this.books.blocks.get(event.blockId.sequence);
        if (block === undefined) return;
        if (block.channel?.serverId === event.serverId) heard(block.channel, nowMs);
        this.books.blocks.delete(event.blockId.sequence);
        return;
      }
      case 'block_refused': {
        const block = this.books.blocks.get(event.blockId.sequence);
        const channel = block?.channel;
        if (block === undefined || channel?.serverId !== event.serverId) return;
        heard(channel, nowMs);
        if (event.refusal.kind === 'malformed') {
          this.books.blocks.delete(event.blockId.sequence);
          return;
        }
        channel.pausedUntilMs = nowMs + REFUSED_PAUSE_MS;
        block.channel = undefined;
        if (block.doubts.includes(event.serverId) && block.doubtUntilMs > nowMs) {
          block.boundTo = event.serverId;
          block.boundUntilMs = block.doubtUntilMs;
        } else block.boundTo = undefined;
        return;
      }
      case 'stopping':
        this.isStopping = true;
        return;
      case 'woken':
        return;
      default:
        event satisfies never;
    }
  }

  /** The next send by U6, U7, U8, U15; undefined when nothing may be sent. */
  expected(nowMs: number): ExpectedSend | undefined {
    if (this.isStopping) return undefined;
    const fits = URGENCY_CLASSES.map((_, rank) => this.books.firstFit(rank, nowMs));
    const firstWaiting = URGENCY_CLASSES.findIndex((_, rank) => this.books.waits(rank));
    for (const [rank, fit] of fits.entries()) {
      if (fit === undefined || rank <= firstWaiting) continue;
      if ((this.#credit[rank] ?? 0) >= fit.block.header.rawBytes) return { ...fit, overtakes: true };
    }
    const fit = fits.find((candidate) => candidate !== undefined);
    return fit === undefined ? undefined : { ...fit, overtakes: false };
  }

  /** The expected send was made. */
  sent({ block, channel, overtakes }: ExpectedSend, nowMs: number): void {
    if (this.books.inFlight(channel).length === 0) channel.progressAtMs = nowMs;
    const { rawBytes } = block.header;
    channel.usedBytes += rawBytes;
    block.channel = channel;
    block.boundTo = undefined;
    if (overtakes) this.#credit[block.rank] = (this.#credit[block.rank] ?? 0) - rawBytes;
    for (let rank = block.rank + 1; rank < URGENCY_CLASSES.length; rank += 1) {
      const share = MINIMUM_SHARES[URGENCY_CLASSES[rank] ?? 'bulk'];
      const earned = Math.min((this.#credit[rank] ?? 0) + rawBytes * share, MAX_SHARE_CREDIT_BYTES);
      this.#credit[rank] = this.books.waits(rank) ? earned : 0;
    }
  }

  /** U9, before the bytes of the first use are counted: the servers that outrank the channel's and still hold a lower one. */
  outranking(used: ModelChannel, nowMs: number): OutrankingServer[] {
    return this.books.outranking(used, this.#connected, nowMs);
  }

  /** Whom a send to this server must name as one that may have the block too (U14). */
  doubtFor(block: ModelBlock, serverId: ServerId): ServerId | undefined {
    return block.doubts.findLast((doubt) => doubt !== serverId) ?? block.foundInDoubtAt;
  }

  #passTime(nowMs: number): void {
    for (const channel of this.books.channels) {
      if (channel.expiresAtMs <= nowMs) this.#end(channel);
      const inFlight = this.books.inFlight(channel);
      if (inFlight.length === 0) continue;
      const silentMs = nowMs - channel.progressAtMs;
      if (silentMs >= STALL_TIMEOUT_MS && !channel.hasEnded) channel.isStalled = true;
      if (silentMs < IN_DOUBT_TIMEOUT_MS) continue;
      this.#end(channel);
      for (const block of inFlight) {
        this.#bind(block, channel.serverId, nowMs);
        block.boundTo = undefined;
      }
    }
    this.books.channels = this.books.channels.filter(
      (channel) => !channel.hasEnded || this.books.inFlight(channel).length > 0,
    );
    for (const block of this.books.blocks.values()) {
      if (block.boundTo !== undefined && block.boundUntilMs <= nowMs) block.boundTo = undefined;
    }
  }

  #grant(serverId: ServerId, grant: Grant, nowMs: number): void {
    const requestIds = this.#asked.get(serverId)?.requestIds;
    if (requestIds?.has(grant.requestId) !== true) return;
    for (const id of requestIds) if (id <= grant.requestId) requestIds.delete(id);
    if (grant.channels.length === 0) return;
    this.#arrivals += 1;
    this.#latest.set(serverId, this.#arrivals);
    for (const { channel, priority, quotaBytes, reservedForUrgentBytes } of grant.channels) {
      this.books.channels.push({
        ...{ serverId, grantId: grant.grantId, number: channel, priority, quotaBytes },
        ...{ reserveBytes: reservedForUrgentBytes, arrival: this.#arrivals, usedBytes: 0, hasEnded: false },
        ...{ expiresAtMs: nowMs + grant.lifetimeMs, isStalled: false, pausedUntilMs: 0, progressAtMs: nowMs },
      });
    }
    const live = this.books.channels.filter(
      (channel) =>
        channel.serverId === serverId &&
        !channel.hasEnded &&
        (left(channel) > 0 || this.books.inFlight(channel).length > 0),
    );
    live.sort((a, b) => a.arrival - b.arrival || b.number - a.number);
    for (const channel of live.slice(0, Math.max(0, live.length - MAX_LIVE_CHANNELS_PER_SERVER)))
      this.#end(channel);
  }

  #end(channel: ModelChannel): void {
    if (channel.hasEnded) return;
    channel.hasEnded = true;
    if (left(channel) === 0) return;
    const told = this.#untold.get(channel.serverId) ?? [];
    told.push(closedText({ ...channel, channel: channel.number }));
    this.#untold.set(channel.serverId, told);
  }

  /**
   * A request is made, which must close the channels that are returned (U2).
   * @returns undefined when an earlier one is unanswered, and there is no reason to replace it.
   */
  request(serverId: ServerId, requestId: number, nowMs: number): string[] | undefined {
    const asked = this.#asked.get(serverId);
    if (asked === undefined) return undefined;
    const { requestIds } = asked;
    const unfitRank = this.#unfitRank(serverId, nowMs);
    const closing = this.#closing(serverId, nowMs);
    const replaces =
      (asked.isRecalled && closing.length > 0 && requestIds.size < MAX_REQUESTS_REMEMBERED) ||
      unfitRank < asked.latestRank ||
      nowMs >= asked.latestMs + REQUEST_TIMEOUT_MS;
    if (requestIds.size > 0 && !replaces) return undefined;
    requestIds.add(requestId);
    const [oldest] = requestIds;
    if (oldest !== undefined && requestIds.size > MAX_REQUESTS_REMEMBERED) requestIds.delete(oldest);
    asked.latestMs = nowMs;
    asked.latestRank = unfitRank;
    asked.isRecalled = false;
    return closing;
  }

  /** The most urgent class that waits and has no quota at this server; one past the last when there is none. */
  #unfitRank(serverId: ServerId, nowMs: number): number {
    const usable = this.books
      .live(serverId, nowMs)
      .filter(({ isStalled, pausedUntilMs }) => !isStalled && pausedUntilMs <= nowMs);
    const unfitRank = URGENCY_CLASSES.findIndex((_, rank) =>
      this.books
        .candidates(rank)
        .some(
          (block) =>
            (block.boundTo === undefined || block.boundTo === serverId) &&
            !usable.some((channel) => hasQuota(channel, block)),
        ),
    );
    return unfitRank < 0 ? URGENCY_CLASSES.length : unfitRank;
  }

  /** What ended with quota left and was not told, and remains of earlier grants, which end with it. */
  #closing(serverId: ServerId, nowMs: number): string[] {
    const live = this.books.live(serverId, nowMs);
    const latest = this.#latest.get(serverId) ?? 0;
    const firsts = URGENCY_CLASSES.flatMap((_, rank) => this.books.candidates(rank)).filter(
      ({ boundTo }) => boundTo === undefined || boundTo === serverId,
    );
    for (const channel of live) {
      const isOfUse = left(channel) === 0 || firsts.some((block) => hasQuota(channel, block));
      if (firsts.length > 0 && channel.arrival < latest && !channel.isStalled && !isOfUse) this.#end(channel);
    }
    const closing = this.#untold.get(serverId) ?? [];
    this.#untold.delete(serverId);
    return closing;
  }

  #lose(serverId: ServerId, nowMs: number): void {
    for (const block of this.books.blocks.values()) {
      if (block.channel?.serverId === serverId) this.#bind(block, serverId, nowMs);
    }
    this.books.channels = this.books.channels.filter((channel) => channel.serverId !== serverId);
    this.#untold.delete(serverId);
  }

  #bind(block: ModelBlock, serverId: ServerId, nowMs: number): void {
    block.channel = undefined;
    block.boundTo = serverId;
    block.boundUntilMs = nowMs + IN_DOUBT_TIMEOUT_MS;
    block.doubtUntilMs = block.boundUntilMs;
    block.doubts = [...block.doubts.filter((doubt) => doubt !== serverId), serverId];
  }
}

function heard(channel: ModelChannel, nowMs: number): void {
  channel.progressAtMs = nowMs;
  channel.isStalled = false;
}
