/**
 * An agent's uplink as SPEC.md tells it, written a second time and in another way: slow and plain, everything is looked
 * up afresh. It follows the events that the machine was given and says what the machine must send next.
 *
 * Invariants: it reads events only; effects change it in `sent` alone.
 */

import type { AgentEvent } from '@sluice/protocol/agent-events';
import {
  HEDGE_FRACTION,
  IN_DOUBT_TIMEOUT_MS,
  MAX_HEDGE_CREDIT_BYTES,
  MAX_LIVE_CHANNELS_PER_SERVER,
  MAX_REQUESTS_REMEMBERED,
  MAX_SHARE_CREDIT_BYTES,
  MIN_REQUEST_INTERVAL_MS,
  MINIMUM_SHARES,
  PACE_IDLE_MS,
  REFUSED_PAUSE_MS,
  REQUEST_TIMEOUT_MS,
  SLEPT_MS,
} from '@sluice/protocol/limits';
import type { AgentId, Grant, OutrankingServer, ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES, urgencyRank } from '@sluice/protocol/model';
import { AgentBooks } from './agent-books.ts';
import type { Asked, ModelBlock, ModelChannel, ModelCopy } from './agent-parts.ts';
import { closedText, hasQuota, isQuotaShort, isWrong, left, newServer } from './agent-parts.ts';

/** What must be sent next, and on which channel. */
export interface ExpectedSend {
  readonly block: ModelBlock;
  readonly channel: ModelChannel;
  readonly overtakes: boolean;
  /** The copy that was not answered in time, when this one goes beside it (U23). */
  readonly late?: ModelCopy;
}

export class AgentModel {
  readonly books: AgentBooks;
  isStopping = false;
  nowMs = 0;
  /** The agent's wish to be woken; silence while it sleeps through that says nothing. */
  wakeMs: number = Number.POSITIVE_INFINITY;
  #sleptMs = 0;
  /** What may be sent a second time. */
  #hedgeBytes = MAX_HEDGE_CREDIT_BYTES;
  readonly #asked = new Map<ServerId, Asked>();
  readonly #credit = URGENCY_CLASSES.map(() => 0);
  #arrivals = 0;
  #sends = 0;
  readonly #latestQuotaBytes = new Map<ServerId, number>();
  /** All that each server gave over its present connection. */
  readonly #grantIds = new Map<ServerId, string[]>();
  /** Arrival of each server's latest grant. */
  readonly #latest = new Map<ServerId, number>();
  /** What was used of channels that ended with quota left, until it is told (U2). */
  readonly #untold = new Map<ServerId, string[]>();

  constructor(agentId: AgentId) {
    this.books = new AgentBooks(agentId);
  }

  /** Time passes, then the event happens. */
  take(event: AgentEvent, nowMs: number): void {
    const expectedMs = Math.max(this.nowMs, this.wakeMs);
    if (nowMs >= expectedMs + SLEPT_MS) this.#sleptMs += nowMs - this.nowMs;
    this.nowMs = nowMs;
    if (event.type === 'woken') this.wakeMs = Number.POSITIVE_INFINITY;
    this.#passTime(nowMs);
    switch (event.type) {
      case 'server_connected':
        this.#lose(event.serverId);
        this.books.servers.set(event.serverId, newServer());
        this.#grantIds.set(event.serverId, []);
        this.#latestQuotaBytes.set(event.serverId, 0);
        this.#asked.set(event.serverId, {
          ...{ requestIds: new Set(), latestMs: Number.NEGATIVE_INFINITY, latestRank: 0, isRecalled: false },
          ...{ leastBytes: Number.POSITIVE_INFINITY, mayWait: false },
        });
        return;
      case 'server_disconnected':
        this.#lose(event.serverId);
        this.books.servers.delete(event.serverId);
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
          const inFlight = this.books.inFlight(channel);
          for (const block of inFlight) this.#miss(block, channel.serverId);
          if (this.books.inFlightBytes(channel.serverId) === 0) this.#heard(channel.serverId);
        }
        return;
      }
      case 'block_sealed': {
        const { block: header, inDoubtAt } = event;
        const block: ModelBlock = {
          ...{ header, rank: urgencyRank(header.urgency), copies: [], boundTo: undefined },
          ...{ boundUntilMs: 0, doubts: [], doubtUntilMs: 0, foundInDoubtAt: inDoubtAt },
        };
        this.books.blocks.set(header.id.sequence, block);
        if (inDoubtAt !== undefined) this.#bind(block, inDoubtAt);
        return;
      }
      case 'block_acknowledged': {
        const block = this.books.blocks.get(event.blockId.sequence);
        const copy = block?.copies.find(({ channel }) => channel.serverId === event.serverId);
        this.books.blocks.delete(event.blockId.sequence);
        if (block !== undefined && copy !== undefined)
          this.books.answered(copy, block.header.rawBytes, this.#awakeMs);
        this.#heard(event.serverId);
        return;
      }
      case 'block_refused': {
        const block = this.books.blocks.get(event.blockId.sequence);
        const copy = block?.copies.find(({ channel }) => channel.serverId === event.serverId);
        if (block === undefined || copy === undefined) return;
        if (event.refusal.kind === 'malformed') this.books.blocks.delete(event.blockId.sequence);
        else {
          copy.channel.pausedUntilMs = nowMs + REFUSED_PAUSE_MS;
          block.copies = block.copies.filter((other) => other !== copy);
          const isInDoubt = block.doubts.includes(event.serverId) && block.doubtUntilMs > this.#awakeMs;
          if (block.copies.length === 0 && isInDoubt) {
            block.boundTo = event.serverId;
            block.boundUntilMs = block.doubtUntilMs;
          }
        }
        this.#heard(event.serverId);
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
    const fits = URGENCY_CLASSES.map((_, rank) =>
      this.books.firstFit(rank, rank === 0 ? 'urgent' : 'one', nowMs),
    );
    const firstWaiting = URGENCY_CLASSES.findIndex((_, rank) => this.books.waits(rank));
    for (const rank of URGENCY_CLASSES.keys()) {
      // On its credit a class goes in the window of the urgent.
      const fit = rank > firstWaiting ? this.books.firstFit(rank, 'two', nowMs) : undefined;
      if (fit === undefined) continue;
      if ((this.#credit[rank] ?? 0) >= fit.block.header.rawBytes) return { ...fit, overtakes: true };
    }
    const fit = fits.find((candidate) => candidate !== undefined);
    return fit === undefined ? undefined : { ...fit, overtakes: false };
  }

  /** The copy that must go to a second server now (U23); undefined when none is due, or none can. */
  expectedHedge(nowMs: number): ExpectedSend | undefined {
    if (this.isStopping) return undefined;
    let hedge: ExpectedSend | undefined;
    for (const [serverId] of this.books.servers) {
      const first = this.books.longestUnanswered(serverId);
      if (first === undefined) continue;
      const { block, copy } = first;
      if (copy.sentAtMs + this.books.patienceMs(serverId) > this.#awakeMs) continue;
      if (block.header.rawBytes > this.#hedgeBytes) continue;
      const isOther = (channel: ModelChannel): boolean =>
        channel.serverId !== serverId && !this.#isLate(channel.serverId);
      const channel = this.books.highestFit(block, 'urgent', isOther, nowMs);
      if (channel === undefined) continue;
      if (hedge !== undefined && hedge.block.header.id.sequence < block.header.id.sequence) continue;
      hedge = { block, channel, overtakes: false, late: copy };
    }
    return hedge;
  }

  #isLate(serverId: ServerId): boolean {
    const owesSinceMs = this.books.servers.get(serverId)?.owesSinceMs;
    return owesSinceMs !== undefined && this.#awakeMs >= owesSinceMs + this.books.patienceMs(serverId);
  }

  /** The expected send was made. */
  sent({ block, channel, overtakes, late }: ExpectedSend): void {
    const server = this.books.servers.get(channel.serverId);
    const { rawBytes } = block.header;
    const isAlone = this.books.inFlightBytes(channel.serverId) === 0;
    if (server !== undefined) {
      if (isAlone && this.#awakeMs >= server.answeredAtMs + PACE_IDLE_MS) server.answers = [];
      if (isAlone) server.answeredAtMs = this.#awakeMs;
      server.owesSinceMs ??= this.#awakeMs;
    }
    channel.usedBytes += rawBytes;
    this.#sends += 1;
    block.boundTo = undefined;
    block.copies.push({
      ...{ channel, sentAtMs: this.#awakeMs, sentNumber: this.#sends, hedged: false },
      ...{ answeredBytes: server?.answeredBytes ?? 0, answeredAtMs: server?.answeredAtMs ?? 0 },
      isHedge: late !== undefined,
    });
    if (late !== undefined) {
      late.hedged = true;
      this.#hedgeBytes -= rawBytes;
      return;
    }
    if (block.rank === 0)
      this.#hedgeBytes = Math.min(MAX_HEDGE_CREDIT_BYTES, this.#hedgeBytes + rawBytes * HEDGE_FRACTION);
    if (overtakes) this.#credit[block.rank] = (this.#credit[block.rank] ?? 0) - rawBytes;
    for (let rank = block.rank + 1; rank < URGENCY_CLASSES.length; rank += 1) {
      const share = MINIMUM_SHARES[URGENCY_CLASSES[rank] ?? 'bulk'];
      const earned = Math.min((this.#credit[rank] ?? 0) + rawBytes * share, MAX_SHARE_CREDIT_BYTES);
      this.#credit[rank] = this.books.waits(rank) ? earned : 0;
    }
  }

  /** U9, before the bytes of the use are counted: the servers that outrank the channel's and still hold a lower one. */
  outranking({ channel, block, late }: ExpectedSend, nowMs: number): OutrankingServer[] {
    return this.books.outranking(channel, block, late?.channel.serverId, nowMs);
  }

  /** A copy beside the one at this server: that one may be durable. */
  doubt(block: ModelBlock, serverId: ServerId): void {
    block.doubts = [...block.doubts.filter((doubt) => doubt !== serverId), serverId];
  }

  /** Whom a send to this server must name as one that may have the block too (U14). */
  doubtFor(block: ModelBlock, serverId: ServerId): ServerId | undefined {
    return block.doubts.findLast((doubt) => doubt !== serverId) ?? block.foundInDoubtAt;
  }

  get #awakeMs(): number {
    return this.nowMs - this.#sleptMs;
  }

  #passTime(nowMs: number): void {
    for (const channel of this.books.channels) if (channel.expiresAtMs <= nowMs) this.#end(channel);
    for (const [serverId, server] of this.books.servers) {
      if (this.#awakeMs >= this.books.stallsAtMs(serverId)) server.isStalled = true;
      if (this.#awakeMs < this.books.givenUpAtMs(serverId)) continue;
      for (const channel of this.books.channels) if (channel.serverId === serverId) this.#end(channel);
      for (const block of this.books.blocks.values()) {
        if (!block.copies.some(({ channel }) => channel.serverId === serverId)) continue;
        this.#miss(block, serverId);
        block.boundTo = undefined;
      }
      server.answers = [];
      this.#heard(serverId);
    }
    this.books.channels = this.books.channels.filter(
      (channel) => !channel.hasEnded || this.books.inFlight(channel).length > 0,
    );
    for (const block of this.books.blocks.values()) {
      if (block.boundTo !== undefined && block.boundUntilMs <= this.#awakeMs) block.boundTo = undefined;
    }
  }

  #grant(serverId: ServerId, grant: Grant, nowMs: number): void {
    const asked = this.#asked.get(serverId);
    if (asked?.requestIds.has(grant.requestId) !== true) return;
    for (const id of asked.requestIds) if (id <= grant.requestId) asked.requestIds.delete(id);
    const isNone = grant.channels.length === 0 || isWrong(grant, this.#grantIds.get(serverId) ?? []);
    const largestBytes = Math.max(0, ...grant.channels.map(({ quotaBytes }) => quotaBytes));
    asked.mayWait ||= isNone || largestBytes < asked.leastBytes;
    if (isNone) return;
    this.#latestQuotaBytes.set(
      serverId,
      grant.channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0),
    );
    this.#grantIds.get(serverId)?.push(grant.grantId);
    this.#arrivals += 1;
    this.#latest.set(serverId, this.#arrivals);
    for (const { channel, priority, quotaBytes, reservedForUrgentBytes } of grant.channels) {
      if (quotaBytes === 0) continue;
      this.books.channels.push({
        ...{ serverId, grantId: grant.grantId, number: channel, priority, quotaBytes },
        ...{ reserveBytes: reservedForUrgentBytes, arrival: this.#arrivals, usedBytes: 0, hasEnded: false },
        ...{ expiresAtMs: nowMs + grant.lifetimeMs, lifetimeMs: grant.lifetimeMs },
        ...{ pausedUntilMs: 0, isViolating: false },
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
    const unfitRank = this.books.unfitRank(serverId, nowMs);
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
    asked.mayWait = false;
    const firsts = URGENCY_CLASSES.flatMap((_, rank) => this.books.candidates(rank)).filter(
      ({ boundTo }) => boundTo === undefined || boundTo === serverId,
    );
    asked.leastBytes = Math.min(...firsts.map(({ header }) => header.rawBytes));
    return closing;
  }

  /** U2.2: a server that is not asked although it is to be; undefined when there is none. */
  unasked(nowMs: number): ServerId | undefined {
    if (this.isStopping) return undefined;
    for (const [serverId, { requestIds, latestMs, mayWait }] of this.#asked) {
      if (requestIds.size > 0 || mayWait || nowMs < latestMs + MIN_REQUEST_INTERVAL_MS) continue;
      const live = this.books.live(serverId, nowMs);
      const unsentBytes = this.books.unsentBytes().reduce((sum, bytes) => sum + bytes, 0);
      const latestBytes = this.#latestQuotaBytes.get(serverId) ?? 0;
      if (isQuotaShort(live, latestBytes, unsentBytes, nowMs)) return serverId;
      if (this.books.unfitRank(serverId, nowMs) < URGENCY_CLASSES.length) return serverId;
    }
    return undefined;
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
      const isStalled = this.books.servers.get(serverId)?.isStalled === true;
      if (firsts.length > 0 && channel.arrival < latest && !isStalled && !isOfUse) this.#end(channel);
    }
    const closing = this.#untold.get(serverId) ?? [];
    this.#untold.delete(serverId);
    return closing;
  }

  #lose(serverId: ServerId): void {
    for (const block of this.books.blocks.values()) {
      if (block.copies.some(({ channel }) => channel.serverId === serverId)) this.#miss(block, serverId);
    }
    this.books.channels = this.books.channels.filter((channel) => channel.serverId !== serverId);
    this.#untold.delete(serverId);
  }

  /** The copy at the server is not awaited any more: the block waits for that server, unless another copy is on its way. */
  #miss(block: ModelBlock, serverId: ServerId): void {
    block.copies = block.copies.filter(({ channel }) => channel.serverId !== serverId);
    if (block.copies.length > 0) this.doubt(block, serverId);
    else this.#bind(block, serverId);
  }

  #bind(block: ModelBlock, serverId: ServerId): void {
    block.copies = [];
    block.boundTo = serverId;
    block.boundUntilMs = this.#awakeMs + IN_DOUBT_TIMEOUT_MS;
    block.doubtUntilMs = block.boundUntilMs;
    this.doubt(block, serverId);
  }

  #heard(serverId: ServerId): void {
    const server = this.books.servers.get(serverId);
    if (server === undefined) return;
    server.isStalled = false;
    server.owesSinceMs = this.books.inFlightBytes(serverId) > 0 ? this.#awakeMs : undefined;
  }
}
