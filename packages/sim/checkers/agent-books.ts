/**
 * What an agent holds, as agent-model.ts keeps it: its blocks and channels, and what is to be seen in them. Slow and plain:
 * everything is looked up afresh.
 *
 * Invariant: no lookup changes anything.
 */
import { URGENT_WINDOW_BYTES, WINDOW_BYTES } from '@sluice/protocol/limits';
import type { BlockHeader, ClosedChannel, OutrankingServer, ServerId } from '@sluice/protocol/model';
import { URGENCY_CLASSES } from '@sluice/protocol/model';

/** A channel as the model keeps it. */
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

/** A block as the model keeps it. */
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

export class AgentBooks {
  readonly blocks: Map<number, ModelBlock> = new Map();
  channels: ModelChannel[] = [];

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

  /** Whether the class has unsent blocks. */
  waits(rank: number): boolean {
    for (const block of this.blocks.values())
      if (block.rank === rank && block.channel === undefined) return true;
    return false;
  }

  /** Blocks sent on the channel and not answered. */
  inFlight(channel: ModelChannel): ModelBlock[] {
    const inFlight: ModelBlock[] = [];
    for (const block of this.blocks.values()) if (block.channel === channel) inFlight.push(block);
    return inFlight;
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
      if (block.rank !== rank || block.channel !== undefined) continue;
      const first = candidates.get(block.boundTo);
      if (first === undefined || block.header.id.sequence < first.header.id.sequence)
        candidates.set(block.boundTo, block);
    }
    return [...candidates.values()].sort((a, b) => a.header.id.sequence - b.header.id.sequence);
  }

  /** The oldest of the class's candidates that has a channel, with the highest one. */
  firstFit(rank: number, nowMs: number): { block: ModelBlock; channel: ModelChannel } | undefined {
    for (const block of this.candidates(rank)) {
      const channel = this.#highestFit(block, nowMs);
      if (channel !== undefined) return { block, channel };
    }
    return undefined;
  }

  #highestFit(block: ModelBlock, nowMs: number): ModelChannel | undefined {
    const fitting: ModelChannel[] = [];
    for (const channel of this.channels) {
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

  /** Over the grants that have quota left on any channel; used-up channels of these count. */
  #highest(serverId: ServerId, nowMs: number): number {
    const live = this.live(serverId, nowMs);
    const grants = new Set(live.filter((channel) => left(channel) > 0).map(({ grantId }) => grantId));
    return Math.min(...live.filter(({ grantId }) => grants.has(grantId)).map(({ priority }) => priority));
  }

  /** U9, before the bytes of the first use are counted: the servers that outrank the channel's and still hold a lower one. */
  outranking(used: ModelChannel, connected: Iterable<ServerId>, nowMs: number): OutrankingServer[] {
    const own = this.#highest(used.serverId, nowMs);
    const outranking: OutrankingServer[] = [];
    for (const serverId of connected) {
      if (serverId === used.serverId) continue;
      const highestPriority = this.#highest(serverId, nowMs);
      const heldPriorities = [
        ...new Set(
          this.live(serverId, nowMs)
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
}

/** U6: whether a comes before b. */
function isHigher(a: ModelChannel, b: ModelChannel): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.serverId !== b.serverId) return a.serverId < b.serverId;
  if (a.arrival !== b.arrival) return a.arrival < b.arrival;
  return a.number < b.number;
}

/** Quota bytes that were not used. */
export function left(channel: ModelChannel): number {
  return channel.quotaBytes - channel.usedBytes;
}

/** U4, U8: whether the block fits what is left, less the reserve unless it is urgent. */
export function hasQuota(channel: ModelChannel, block: ModelBlock): boolean {
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
