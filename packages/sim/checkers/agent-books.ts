/**
 * What an agent holds, as agent-model.ts keeps it: its blocks and channels, and what is to be seen in them. Slow and plain:
 * everything is looked up afresh.
 *
 * Invariant: no lookup changes anything.
 */
import {
  FIRST_WINDOW_BYTES,
  HEDGE_AFTER_USUAL_TIMES,
  HEDGE_LEAST_MS,
  HEDGE_UNKNOWN_MS,
  IN_DOUBT_TIMEOUT_MS,
  LEAST_BLOCK_WANTED_BYTES,
  LEAST_WINDOW_BYTES,
  MAX_BASE_DELAY_MS,
  SECOND_BLOCK_MS,
  STALL_AFTER_FLIGHT_TIMES,
  STALL_AFTER_USUAL_TIMES,
  STALL_LEAST_MS,
  STALL_TIMEOUT_MS,
  URGENT_WINDOW_BYTES,
  WINDOW_BYTES,
  WINDOW_DELAY_MS,
} from '@sluice/protocol/limits';
import type { AgentId, OutrankingServer, ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { ModelBlock, ModelChannel, ModelCopy, ModelServer, ModelWindow } from './agent-parts.ts';
import { hasQuota, placeOf } from './agent-parts.ts';

export class AgentBooks {
  readonly blocks: Map<number, ModelBlock> = new Map();
  readonly servers: Map<ServerId, ModelServer> = new Map();
  channels: ModelChannel[] = [];
  readonly #agentId: AgentId;

  constructor(agentId: AgentId) {
    this.#agentId = agentId;
  }

  /** What is not sent, in bytes by rank (U2). */
  unsentBytes(): number[] {
    const sums = URGENCY_CLASSES.map(() => 0);
    for (const { header, rank, copies } of this.blocks.values()) {
      if (copies.length === 0) sums[rank] = (sums[rank] ?? 0) + header.rawBytes;
    }
    return sums;
  }

  /** Whether a block of this size waits. */
  hasUnsent(rawBytes: number): boolean {
    for (const { header, copies } of this.blocks.values())
      if (copies.length === 0 && header.rawBytes === rawBytes) return true;
    return false;
  }

  /** Whether the class has unsent blocks. */
  waits(rank: number): boolean {
    for (const block of this.blocks.values())
      if (block.rank === rank && block.copies.length === 0) return true;
    return false;
  }

  /** Blocks sent on the channel and not answered. */
  inFlight(channel: ModelChannel): ModelBlock[] {
    return [...this.blocks.values()].filter(({ copies }) => copies.some((copy) => copy.channel === channel));
  }

  /** The server's channels that may be sent on. */
  live(serverId: ServerId, nowMs: number): ModelChannel[] {
    return this.channels.filter(
      (channel) => channel.serverId === serverId && !channel.hasEnded && channel.expiresAtMs > nowMs,
    );
  }

  /** The oldest block of the class for any server, and the oldest in doubt for each; the oldest first. */
  candidates(rank: number): ModelBlock[] {
    const candidates = new Map<ServerId | undefined, ModelBlock>();
    for (const block of this.blocks.values()) {
      if (block.rank !== rank || block.copies.length > 0) continue;
      const first = candidates.get(block.boundTo);
      if (first === undefined || block.header.id.sequence < first.header.id.sequence)
        candidates.set(block.boundTo, block);
    }
    return [...candidates.values()].sort((a, b) => a.header.id.sequence - b.header.id.sequence);
  }

  /** When the oldest record of those candidates was observed; now, when it is said to be later. */
  oldestMs(rank: number, nowMs: number): number {
    return Math.min(nowMs, ...this.candidates(rank).map(({ header }) => header.oldestObservedMs));
  }

  /** The most urgent class that waits and has no quota at this server; one past the last when there is none. */
  unfitRank(serverId: ServerId, nowMs: number): number {
    const isStalled = this.servers.get(serverId)?.isStalled === true;
    const usable = this.live(serverId, nowMs).filter(
      ({ pausedUntilMs }) => !isStalled && pausedUntilMs <= nowMs,
    );
    const unfitRank = URGENCY_CLASSES.findIndex((_, rank) =>
      this.candidates(rank).some(
        (block) =>
          (block.boundTo === undefined || block.boundTo === serverId) &&
          !usable.some((channel) => hasQuota(channel, block)),
      ),
    );
    return unfitRank < 0 ? URGENCY_CLASSES.length : unfitRank;
  }

  /** The oldest of the class's candidates that has a channel, with the highest one. */
  firstFit(
    rank: number,
    width: ModelWindow,
    nowMs: number,
  ): { block: ModelBlock; channel: ModelChannel } | undefined {
    for (const block of this.#candidatesThatFit(rank, nowMs)) {
      const channel = this.highestFit(block, width, () => true, nowMs);
      if (channel !== undefined) return { block, channel };
    }
    return undefined;
  }

  /** When the oldest for any server fits no quota, the oldest that does takes its place, of each size the oldest. */
  #candidatesThatFit(rank: number, nowMs: number): ModelBlock[] {
    const candidates = this.candidates(rank);
    const oldest = candidates.find(({ boundTo }) => boundTo === undefined);
    if (oldest === undefined || this.#fitting(oldest, nowMs).length > 0) return candidates;
    const bySize = new Map<number, ModelBlock>();
    for (const block of this.blocks.values()) {
      if (block.rank !== rank || block.copies.length > 0 || block.boundTo !== undefined) continue;
      const size = [1, 4, 16].findIndex((times) => block.header.rawBytes <= times * LEAST_BLOCK_WANTED_BYTES);
      const first = bySize.get(size);
      if (first === undefined || block.header.id.sequence < first.header.id.sequence) bySize.set(size, block);
    }
    const fitting = [...bySize.values()].filter((block) => this.#fitting(block, nowMs).length > 0);
    return [...candidates.filter((block) => block !== oldest), ...fitting].sort(
      (a, b) => a.header.id.sequence - b.header.id.sequence,
    );
  }

  /** The highest channel with room, of those of its priority whose server has a window. */
  highestFit(
    block: ModelBlock,
    width: ModelWindow,
    allows: (channel: ModelChannel) => boolean,
    nowMs: number,
  ): ModelChannel | undefined {
    const fitting = this.#fitting(block, nowMs).filter(allows);
    fitting.sort((a, b) => (this.#isHigher(a, b) ? -1 : 1));
    return fitting.find(
      (channel) => channel.priority === fitting[0]?.priority && this.#hasWindow(channel.serverId, width),
    );
  }

  /** Channels with room for the block, whatever is on its way. */
  #fitting(block: ModelBlock, nowMs: number): ModelChannel[] {
    return this.channels.filter(
      (channel) =>
        !channel.hasEnded &&
        this.servers.get(channel.serverId)?.isStalled === false &&
        channel.expiresAtMs > nowMs &&
        channel.pausedUntilMs <= nowMs &&
        (block.boundTo === undefined || block.boundTo === channel.serverId) &&
        hasQuota(channel, block),
    );
  }

  /** U6: whether a comes before b. */
  #isHigher(a: ModelChannel, b: ModelChannel): boolean {
    if (a.priority !== b.priority) return a.priority < b.priority;
    if (a.serverId !== b.serverId) {
      const [place, otherPlace] = [a, b].map(({ serverId }) => placeOf(this.#agentId, serverId));
      if (place !== otherPlace) return (place ?? 0) < (otherPlace ?? 0);
      return a.serverId < b.serverId;
    }
    if (a.arrival !== b.arrival) return a.arrival < b.arrival;
    return a.number < b.number;
  }

  /** U7, U8, U23: what is on its way to the server is less than its window, or than the wider one. */
  #hasWindow(serverId: ServerId, width: ModelWindow): boolean {
    const windowBytes = this.#windowBytes(serverId);
    const inFlightBytes = this.inFlightBytes(serverId);
    const isAlone = this.#inFlightCount(serverId) === 1;
    if (isAlone && inFlightBytes <= this.#rate(serverId) * SECOND_BLOCK_MS) return true;
    const moreBytes = Math.min(windowBytes, URGENT_WINDOW_BYTES);
    const mostBytes = width === 'one' ? windowBytes : windowBytes + moreBytes;
    const hasOwn = width === 'urgent' && this.inFlightBytes(serverId, 0) < moreBytes;
    return inFlightBytes < mostBytes || hasOwn;
  }

  #windowBytes(serverId: ServerId): number {
    const server = this.servers.get(serverId);
    if (server === undefined) return 0;
    if (server.answers.length === 0) return FIRST_WINDOW_BYTES;
    const rate = this.#rate(serverId);
    const delayMs = WINDOW_DELAY_MS + Math.min(MAX_BASE_DELAY_MS, server.leastMs);
    return Math.min(WINDOW_BYTES, Math.max(LEAST_WINDOW_BYTES, rate * delayMs));
  }

  /** Raw bytes per ms; 0 when unknown. */
  #rate(serverId: ServerId): number {
    const answers = this.servers.get(serverId)?.answers ?? [];
    // Of the second of the latest answer, and the one before.
    const latest = Math.floor((answers.at(-1)?.atMs ?? 0) / 1000);
    const recent = answers.filter(({ atMs }) => Math.floor(atMs / 1000) >= latest - 1);
    return Math.max(0, ...recent.map((answer) => answer.rate));
  }

  #inFlightCount(serverId: ServerId): number {
    let count = 0;
    for (const { copies } of this.blocks.values())
      for (const { channel } of copies) if (channel.serverId === serverId) count += 1;
    return count;
  }

  /** @param onlyRank of one class; of all when left out */
  inFlightBytes(serverId: ServerId, onlyRank?: number): number {
    let bytes = 0;
    for (const { copies, header, rank } of this.blocks.values()) {
      if (onlyRank !== undefined && rank !== onlyRank) continue;
      for (const { channel } of copies) if (channel.serverId === serverId) bytes += header.rawBytes;
    }
    return bytes;
  }

  /** U13: when the server is stalled if it answers nothing. */
  stallsAtMs(serverId: ServerId): number {
    const { owesSinceMs, usualMs = Number.POSITIVE_INFINITY } = this.servers.get(serverId) ?? {};
    if (owesSinceMs === undefined) return Number.POSITIVE_INFINITY;
    const rate = this.#rate(serverId);
    const inFlightBytes = this.inFlightBytes(serverId);
    const isFull = rate > 0 && inFlightBytes >= this.#windowBytes(serverId);
    const flightMs = (inFlightBytes / rate) * STALL_AFTER_FLIGHT_TIMES;
    const waitMs = Math.max(STALL_LEAST_MS, isFull ? flightMs : usualMs * STALL_AFTER_USUAL_TIMES);
    return owesSinceMs + Math.min(STALL_TIMEOUT_MS, waitMs);
  }

  /** U14: when a silent server's blocks go elsewhere. */
  givenUpAtMs(serverId: ServerId): number {
    return (this.servers.get(serverId)?.owesSinceMs ?? Number.POSITIVE_INFINITY) + IN_DOUBT_TIMEOUT_MS;
  }

  /** U23: how long the server may take before its urgent blocks are hedged. */
  patienceMs(serverId: ServerId): number {
    const usualMs = this.servers.get(serverId)?.usualMs;
    if (usualMs === undefined) return HEDGE_UNKNOWN_MS;
    return Math.max(HEDGE_LEAST_MS, usualMs * HEDGE_AFTER_USUAL_TIMES);
  }

  /** The urgent block that was sent to the server first, of those with one copy that is not a hedge and was not hedged. */
  longestUnanswered(serverId: ServerId): { block: ModelBlock; copy: ModelCopy } | undefined {
    let first: { block: ModelBlock; copy: ModelCopy } | undefined;
    for (const block of this.blocks.values()) {
      if (block.rank !== 0) continue;
      for (const copy of block.copies) {
        if (copy.channel.serverId !== serverId || copy.isHedge || copy.hedged) continue;
        if (first === undefined || copy.sentNumber < first.copy.sentNumber) first = { block, copy };
      }
    }
    return first;
  }

  /** A copy was answered at this server. */
  answered(copy: ModelCopy, rawBytes: number, awakeMs: number): void {
    const server = this.servers.get(copy.channel.serverId);
    if (server === undefined) return;
    server.answeredBytes += rawBytes;
    server.answeredAtMs = awakeMs;
    const tookMs = awakeMs - copy.sentAtMs;
    const rate = (server.answeredBytes - copy.answeredBytes) / Math.max(1, awakeMs - copy.answeredAtMs);
    server.answers.push({ atMs: awakeMs, tookMs, rate });
    if (server.answers.length > MOST_ANSWERS) {
      const latest = Math.floor(awakeMs / 1000);
      server.answers = server.answers.filter(({ atMs }) => Math.floor(atMs / 1000) >= latest - 1);
    }
    server.leastMs = Math.min(server.leastMs, tookMs);
    server.usualMs = server.usualMs === undefined ? tookMs : server.usualMs + (tookMs - server.usualMs) / 8;
  }

  /** U24: whether the channel has room for a block that is next at its server, or for the one that is sent. */
  #isHeld(channel: ModelChannel, sent: ModelBlock): boolean {
    const next = [sent, ...URGENCY_CLASSES.flatMap((_, rank) => this.candidates(rank))].filter(
      ({ boundTo }) => boundTo === undefined || boundTo === channel.serverId,
    );
    return next.some((block) => hasQuota(channel, block));
  }

  /** Over the grants that hold a channel; channels of these that were used count too, those that never carried do not. */
  #highest(serverId: ServerId, sent: ModelBlock, nowMs: number): number {
    const live = this.live(serverId, nowMs);
    const held = live.filter((channel) => this.#isHeld(channel, sent));
    const grants = new Set(held.map(({ grantId }) => grantId));
    const ranking = live.filter(
      (channel) => grants.has(channel.grantId) && (channel.usedBytes > 0 || held.includes(channel)),
    );
    return Math.min(...ranking.map(({ priority }) => priority));
  }

  /**
   * U9, before the bytes of a use are counted: the servers that outrank the channel's and still hold a lower one.
   * @param late the server that is not waited for, when the block is hedged
   */
  outranking(
    used: ModelChannel,
    sent: ModelBlock,
    late: ServerId | undefined,
    nowMs: number,
  ): OutrankingServer[] {
    const own = this.#highest(used.serverId, sent, nowMs);
    const outranking: OutrankingServer[] = [];
    for (const [serverId, { isStalled }] of this.servers) {
      if (serverId === used.serverId || serverId === late || isStalled) continue;
      const highestPriority = this.#highest(serverId, sent, nowMs);
      const held = this.live(serverId, nowMs).filter((channel) => this.#isHeld(channel, sent));
      const heldPriorities = [...new Set(held.map(({ priority }) => priority))].sort((a, b) => a - b);
      if (highestPriority >= own || !heldPriorities.some((other) => other > used.priority)) continue;
      outranking.push({ serverId, highestPriority, heldPriorities });
    }
    return outranking.sort(
      (a, b) => a.highestPriority - b.highestPriority || (a.serverId < b.serverId ? -1 : 1),
    );
  }
}

/** So many answers are kept before the old ones are looked for: keeps the model quick. */
const MOST_ANSWERS = 256;
