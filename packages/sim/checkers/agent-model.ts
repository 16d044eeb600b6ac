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
  URGENT_WINDOW_BYTES,
  WINDOW_BYTES,
} from '@sluice/protocol/limits';
import type { BlockHeader, ClosedChannel, Grant, OutrankingServer, ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES, urgencyRank } from '@sluice/protocol/model';

export interface ModelChannel {
  readonly serverId: ServerId;
  readonly grantId: string;
  readonly number: number;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly reserveBytes: number;
  readonly arrival: number;
  readonly expiresAtMs: number;
  usedBytes: number;
  hasEnded: boolean;
  isStalled: boolean;
  pausedUntilMs: number;
  progressAtMs: number;
}

export interface ModelBlock {
  readonly header: BlockHeader;
  readonly rank: number;
  /** In flight on it; undefined while it waits. */
  channel: ModelChannel | undefined;
  /** Waits for this server only, until then. */
  boundTo: ServerId | undefined;
  boundUntilMs: number;
  doubts: ServerId[];
  doubtUntilMs: number;
  readonly foundInDoubtAt: ServerId | undefined;
}

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
  readonly blocks: Map<number, ModelBlock> = new Map();
  isStopping = false;
  nowMs = 0;
  #channels: ModelChannel[] = [];
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
        for (const channel of this.#channels) {
          if (channel.serverId !== event.serverId) continue;
          if (event.grantId !== undefined && event.grantId !== channel.grantId) continue;
          if (event.channel !== undefined && event.channel !== channel.number) continue;
          this.#end(channel);
          if (event.type === 'revoked') continue;
          for (const block of this.#inFlight(channel)) this.#bind(block, channel.serverId, nowMs);
        }
        return;
      }
      case 'block_sealed': {
        const { block: header, inDoubtAt } = event;
        const block: ModelBlock = {
          ...{ header, rank: urgencyRank(header.urgency), channel: undefined, boundTo: undefined },
          ...{ boundUntilMs: 0, doubts: [], doubtUntilMs: 0, foundInDoubtAt: inDoubtAt },
        };
        this.blocks.set(header.id.sequence, block);
        if (inDoubtAt !== undefined) this.#bind(block, inDoubtAt, nowMs);
        return;
      }
      case 'block_acknowledged': {
        const block = this.blocks.get(event.blockId.sequence);
        if (block === undefined) return;
        if (block.channel?.serverId === event.serverId) heard(block.channel, nowMs);
        this.blocks.delete(event.blockId.sequence);
        return;
      }
      case 'block_refused': {
        const block = this.blocks.get(event.blockId.sequence);
        const channel = block?.channel;
        if (block === undefined || channel?.serverId !== event.serverId) return;
        heard(channel, nowMs);
        if (event.refusal.kind === 'malformed') {
          this.blocks.delete(event.blockId.sequence);
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
    const fits = URGENCY_CLASSES.map((_, rank) => this.#firstFit(rank, nowMs));
    const firstWaiting = URGENCY_CLASSES.findIndex((_, rank) => this.#waits(rank));
    for (const [rank, fit] of fits.entries()) {
      if (fit === undefined || rank <= firstWaiting) continue;
      if ((this.#credit[rank] ?? 0) >= fit.block.header.rawBytes) return { ...fit, overtakes: true };
    }
    const fit = fits.find((candidate) => candidate !== undefined);
    return fit === undefined ? undefined : { ...fit, overtakes: false };
  }

  /** The expected send was made. */
  sent({ block, channel, overtakes }: ExpectedSend, nowMs: number): void {
    if (this.#inFlight(channel).length === 0) channel.progressAtMs = nowMs;
    const { rawBytes } = block.header;
    channel.usedBytes += rawBytes;
    block.channel = channel;
    block.boundTo = undefined;
    if (overtakes) this.#credit[block.rank] = (this.#credit[block.rank] ?? 0) - rawBytes;
    for (let rank = block.rank + 1; rank < URGENCY_CLASSES.length; rank += 1) {
      const share = MINIMUM_SHARES[URGENCY_CLASSES[rank] ?? 'bulk'];
      const earned = Math.min((this.#credit[rank] ?? 0) + rawBytes * share, MAX_SHARE_CREDIT_BYTES);
      this.#credit[rank] = this.#waits(rank) ? earned : 0;
    }
  }

  /** U9, before the bytes of the first use are counted: who outranks the channel's server and still holds a lower one. */
  outranking(used: ModelChannel, nowMs: number): OutrankingServer[] {
    const own = this.#highest(used.serverId, nowMs);
    const outranking: OutrankingServer[] = [];
    for (const serverId of this.#connected) {
      if (serverId === used.serverId) continue;
      const highestPriority = this.#highest(serverId, nowMs);
      const heldPriorities = [
        ...new Set(
          this.#live(serverId, nowMs)
            .filter((channel) => left(channel) > 0 && !channel.isStalled)
            .map(({ priority }) => priority),
        ),
      ].sort((a, b) => a - b);
      if (highestPriority >= own || !heldPriorities.some((held) => held > used.priority)) continue;
      outranking.push({ serverId, highestPriority, heldPriorities });
    }
    return outranking.sort(
      (a, b) => a.highestPriority - b.highestPriority || (a.serverId < b.serverId ? -1 : 1),
    );
  }

  /** Whom a send to this server must name as one that may have the block too (U14). */
  doubtFor(block: ModelBlock, serverId: ServerId): ServerId | undefined {
    return block.doubts.findLast((doubt) => doubt !== serverId) ?? block.foundInDoubtAt;
  }

  /** What is not sent, in bytes by rank (U2). */
  unsentBytes(): number[] {
    const sums = URGENCY_CLASSES.map(() => 0);
    for (const { header, rank, channel } of this.blocks.values()) {
      if (channel === undefined) sums[rank] = (sums[rank] ?? 0) + header.rawBytes;
    }
    return sums;
  }

  /** Whether a block of this size waits. */
  hasUnsent(rawBytes: number): boolean {
    for (const { header, channel } of this.blocks.values())
      if (channel === undefined && header.rawBytes === rawBytes) return true;
    return false;
  }

  #passTime(nowMs: number): void {
    for (const channel of this.#channels) {
      if (channel.expiresAtMs <= nowMs) this.#end(channel);
      const inFlight = this.#inFlight(channel);
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
    this.#channels = this.#channels.filter(
      (channel) => !channel.hasEnded || this.#inFlight(channel).length > 0,
    );
    for (const block of this.blocks.values()) {
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
      this.#channels.push({
        ...{ serverId, grantId: grant.grantId, number: channel, priority, quotaBytes },
        ...{ reserveBytes: reservedForUrgentBytes, arrival: this.#arrivals, usedBytes: 0, hasEnded: false },
        ...{ expiresAtMs: nowMs + grant.lifetimeMs, isStalled: false, pausedUntilMs: 0, progressAtMs: nowMs },
      });
    }
    const live = this.#channels.filter(
      (channel) =>
        channel.serverId === serverId &&
        !channel.hasEnded &&
        (left(channel) > 0 || this.#inFlight(channel).length > 0),
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
    const usable = this.#live(serverId, nowMs).filter(
      ({ isStalled, pausedUntilMs }) => !isStalled && pausedUntilMs <= nowMs,
    );
    const unfitRank = URGENCY_CLASSES.findIndex((_, rank) =>
      this.#candidates(rank).some(
        (block) =>
          (block.boundTo === undefined || block.boundTo === serverId) &&
          !usable.some((channel) => hasQuota(channel, block)),
      ),
    );
    return unfitRank < 0 ? URGENCY_CLASSES.length : unfitRank;
  }

  /** What ended with quota left and was not told, and remains of earlier grants, which end with it. */
  #closing(serverId: ServerId, nowMs: number): string[] {
    const live = this.#live(serverId, nowMs);
    const latest = this.#latest.get(serverId) ?? 0;
    const firsts = URGENCY_CLASSES.flatMap((_, rank) => this.#candidates(rank)).filter(
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
    for (const block of this.blocks.values()) {
      if (block.channel?.serverId === serverId) this.#bind(block, serverId, nowMs);
    }
    this.#channels = this.#channels.filter((channel) => channel.serverId !== serverId);
    this.#untold.delete(serverId);
  }

  #bind(block: ModelBlock, serverId: ServerId, nowMs: number): void {
    block.channel = undefined;
    block.boundTo = serverId;
    block.boundUntilMs = nowMs + IN_DOUBT_TIMEOUT_MS;
    block.doubtUntilMs = block.boundUntilMs;
    block.doubts = [...block.doubts.filter((doubt) => doubt !== serverId), serverId];
  }

  #waits(rank: number): boolean {
    for (const block of this.blocks.values())
      if (block.rank === rank && block.channel === undefined) return true;
    return false;
  }

  #inFlight(channel: ModelChannel): ModelBlock[] {
    const inFlight: ModelBlock[] = [];
    for (const block of this.blocks.values()) if (block.channel === channel) inFlight.push(block);
    return inFlight;
  }

  #live(serverId: ServerId, nowMs: number): ModelChannel[] {
    return this.#channels.filter(
      (channel) => channel.serverId === serverId && !channel.hasEnded && channel.expiresAtMs > nowMs,
    );
  }

  /** Over the grants that have quota left on any channel; used-up channels of these count. */
  #highest(serverId: ServerId, nowMs: number): number {
    const live = this.#live(serverId, nowMs);
    const grants = new Set(live.filter((channel) => left(channel) > 0).map(({ grantId }) => grantId));
    return Math.min(...live.filter(({ grantId }) => grants.has(grantId)).map(({ priority }) => priority));
  }

  /** The oldest of the class's candidates that has a channel, with the highest one. */
  #firstFit(rank: number, nowMs: number): { block: ModelBlock; channel: ModelChannel } | undefined {
    for (const block of this.#candidates(rank)) {
      const channel = this.#highestFit(block, nowMs);
      if (channel !== undefined) return { block, channel };
    }
    return undefined;
  }

  /** The oldest block of the class for any server, and the oldest in doubt for each; the oldest first. */
  #candidates(rank: number): ModelBlock[] {
    const candidates = new Map<ServerId | undefined, ModelBlock>();
    for (const block of this.blocks.values()) {
      if (block.rank !== rank || block.channel !== undefined) continue;
      const first = candidates.get(block.boundTo);
      if (first === undefined || block.header.id.sequence < first.header.id.sequence)
        candidates.set(block.boundTo, block);
    }
    return [...candidates.values()].sort((a, b) => a.header.id.sequence - b.header.id.sequence);
  }

  #highestFit(block: ModelBlock, nowMs: number): ModelChannel | undefined {
    const fitting: ModelChannel[] = [];
    for (const channel of this.#channels) {
      if (
        channel.hasEnded ||
        channel.isStalled ||
        channel.expiresAtMs <= nowMs ||
        channel.pausedUntilMs > nowMs
      )
        continue;
      if (block.boundTo !== undefined && block.boundTo !== channel.serverId) continue;
      if (!hasQuota(channel, block)) continue;
      fitting.push(channel);
    }
    fitting.sort((a, b) => (isHigher(a, b) ? -1 : 1));
    return fitting.find(
      (channel) => channel.priority === fitting[0]?.priority && this.#hasWindow(channel, block.rank),
    );
  }

  /** U7, U8: what is in flight at the server, stalled channels left out, is below its window. */
  #hasWindow({ serverId }: ModelChannel, rank: number): boolean {
    let inFlightBytes = 0;
    for (const { channel, header } of this.blocks.values()) {
      if (channel?.serverId === serverId && !channel.isStalled) inFlightBytes += header.rawBytes;
    }
    return inFlightBytes < WINDOW_BYTES + (rank === 0 ? URGENT_WINDOW_BYTES : 0);
  }
}

/** U6. */
function isHigher(a: ModelChannel, b: ModelChannel): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.serverId !== b.serverId) return a.serverId < b.serverId;
  if (a.arrival !== b.arrival) return a.arrival < b.arrival;
  return a.number < b.number;
}

function left(channel: ModelChannel): number {
  return channel.quotaBytes - channel.usedBytes;
}

function hasQuota(channel: ModelChannel, block: ModelBlock): boolean {
  return left(channel) - (block.rank === 0 ? 0 : channel.reserveBytes) >= block.header.rawBytes;
}

/** A closed channel in words, to compare. */
export function closedText({
  grantId,
  channel,
  usedBytes,
}: Omit<ClosedChannel, 'grantId' | 'channel'> & {
  readonly grantId: string;
  readonly channel: number;
}): string {
  return `${grantId}/${channel} at ${usedBytes}`;
}

function heard(channel: ModelChannel, nowMs: number): void {
  channel.progressAtMs = nowMs;
  channel.isStalled = false;
}
