/**
 * M7, M8: which block goes next, on which channel, and the notice before it (U7, U8, U10, U14, U15).
 *
 * Invariants: no block is sent without a live grant with quota for it, and none past its server's window; the oldest block of
 * a class that fits goes first.
 */
import type { AgentEffect } from './agent-events.ts';
import type { AgentHistory } from './agent-history.ts';
import type { BlockEntry, Channel } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { isOlder } from './block-heap.ts';
import { timeMs } from './brand.ts';
import type { ChannelBook } from './channel-book.ts';
import { chooseChannel } from './channel-order.ts';
import type { ClassShares } from './class-share.ts';
import { canPay, countSent } from './class-share.ts';
import type { KnownServers } from './known-servers.ts';
import { URGENT_WINDOW_BYTES } from './limits.ts';
import type { ServerId } from './model.ts';
import { URGENCY_CLASSES } from './model.ts';
import type { StepEffects } from './step-effects.ts';
import { noticeFor } from './violation.ts';

/** The parts of the agent that a block on its way touches. */
export interface SendingParts {
  readonly servers: KnownServers;
  readonly channels: ChannelBook;
  readonly backlog: Backlog;
  readonly shares: ClassShares;
  readonly history: AgentHistory;
  readonly effects: StepEffects<AgentEffect>;
}

export class BlockSender {
  readonly #windowBytes: number;
  readonly #parts: SendingParts;
  /** Raw bytes in flight per server, but for stalled channels: while blocks are sent. */
  readonly #inFlightBytes = new Map<ServerId, number>();

  /** @param windowBytes sent and not acknowledged at one server, beyond which nothing but urgent blocks is sent (U7). */
  constructor(windowBytes: number, parts: SendingParts) {
    this.#windowBytes = windowBytes;
    this.#parts = parts;
  }

  /** U7: blocks go out until no class has one that fits a channel and its server's window. */
  send(nowMs: number): void {
    const { channels, backlog, shares } = this.#parts;
    this.#inFlightBytes.clear();
    this.#countInFlight(channels.order);
    this.#countInFlight(channels.ending);
    while (channels.order.length > 0) {
      const next = this.#next(nowMs);
      if (next === undefined) return;
      this.#sendOne(next.entry, next.channel, nowMs);
      countSent(shares, next.entry.rank, next.entry.header.rawBytes, next.overtakes, (rank) =>
        backlog.waits(rank),
      );
    }
  }
  #countInFlight(channels: Iterable<Channel>): void {
    for (const { serverId, stalled, inFlightBytes } of channels) {
      if (stalled) continue;
      this.#inFlightBytes.set(serverId, (this.#inFlightBytes.get(serverId) ?? 0) + inFlightBytes);
    }
  }

  #next(nowMs: number): { entry: BlockEntry; channel: Channel; overtakes: boolean } | undefined {
    const { backlog, shares } = this.#parts;
    // A class that has saved up for its block goes ahead of more urgent ones (U15).
    let isFirstWaiting = true;
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      if (!backlog.waits(rank)) continue;
      if (!isFirstWaiting) {
        const found = this.#fit(rank, nowMs);
        if (found !== undefined && canPay(shares, rank, found.entry.header.rawBytes)) {
          return { ...found, overtakes: true };
        }
      }
      isFirstWaiting = false;
    }
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      const found = backlog.waits(rank) ? this.#fit(rank, nowMs) : undefined;
      if (found !== undefined) return { ...found, overtakes: false };
    }
    return undefined;
  }

  /** The oldest block of a class that fits a channel, of those that are first: for any server, and bound to each. */
  #fit(rank: number, nowMs: number): { entry: BlockEntry; channel: Channel } | undefined {
    const { servers, channels, backlog } = this.#parts;
    let found: { entry: BlockEntry; channel: Channel } | undefined;
    const consider = (entry: BlockEntry | undefined): void => {
      if (entry === undefined || (found !== undefined && isOlder(found.entry, entry))) return;
      const windowBytes = this.#windowBytes + (rank === 0 ? URGENT_WINDOW_BYTES : 0);
      const hasWindow = ({ serverId }: Channel): boolean =>
        (this.#inFlightBytes.get(serverId) ?? 0) < windowBytes;
      const channel = chooseChannel(channels.order, entry, entry.boundTo, nowMs, hasWindow);
      if (channel !== undefined) found = { entry, channel };
    };
    consider(backlog.firstWaiting(rank));
    for (const serverId of servers.ids()) consider(backlog.firstBound(serverId, rank));
    return found;
  }

  #sendOne(entry: BlockEntry, channel: Channel, nowMs: number): void {
    const { backlog, history, effects } = this.#parts;
    const { serverId, grant, priority } = channel;
    const block = entry.header;
    if (channel.usedBytes === 0) this.#notify(channel, nowMs);
    const inDoubtAt = entry.doubts.findLast((doubt) => doubt !== serverId) ?? entry.foundInDoubtAt;
    if (channel.inFlight.size === 0) channel.progressAtMs = nowMs;
    channel.usedBytes += block.rawBytes;
    backlog.toInFlight(entry, channel);
    this.#inFlightBytes.set(serverId, (this.#inFlightBytes.get(serverId) ?? 0) + block.rawBytes);
    const use = { serverId, grantId: grant.grantId, channel: channel.channel, priority };
    effects.push({
      type: 'send_block',
      ...use,
      block,
      ...(inDoubtAt === undefined ? {} : { inDoubtAt }),
    });
    const { urgency, rawBytes, recordCount } = block;
    const { violating } = channel;
    history.used({ atMs: timeMs(nowMs), ...use, urgency, rawBytes, recordCount, violating });
  }

  /** M10: at the first use of a channel, and with it. */
  #notify(channel: Channel, nowMs: number): void {
    const { servers, history, effects } = this.#parts;
    const notice = noticeFor(channel, servers.all(), nowMs);
    if (notice === undefined) return;
    const { serverId } = channel;
    channel.violating = true;
    effects.push({ type: 'send_notice', serverId, notice });
    history.noticed({ atMs: timeMs(nowMs), serverId, notice });
  }
}
