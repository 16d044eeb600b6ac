/**
 * M7, M8: sends blocks on the channels of all servers in the order of priorities, with the notice that belongs to it (U7, U8, U10,
 * U14, U15, U23).
 *
 * Invariants: no block is sent without a live grant with quota for it, and none past its server's window; the oldest block of
 * a class that fits goes first.
 */
import type { AgentEffect } from './agent-events.ts';
import type { AgentHistory } from './agent-history.ts';
import type { BlockEntry, Channel, Server } from './agent-state.ts';
import type { Backlog } from './backlog.ts';
import { isOlder } from './block-heap.ts';
import { timeMs } from './brand.ts';
import type { ChannelBook } from './channel-book.ts';
import { chooseChannel } from './channel-scheduler.ts';
import type { ClassShares } from './class-share.ts';
import { canPay, countSent } from './class-share.ts';
import { Hedging } from './hedging.ts';
import type { KnownServers } from './known-servers.ts';
import { SECOND_BLOCK_MS, URGENT_WINDOW_BYTES } from './limits.ts';
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

/** How far what is on its way may go: the window, twice the window, or a window of their own for urgent blocks. */
type WindowWidth = 'one' | 'two' | 'urgent';

/** A block, and the channel for it. */
interface Fit {
  readonly entry: BlockEntry;
  readonly channel: Channel;
}

export class BlockSender {
  readonly #windowBytes: number;
  readonly #parts: SendingParts;
  readonly #hedging: Hedging;

  /**
   * @param windowBytes most that is sent and not acknowledged at one server, but for urgent blocks (U7, U23)
   * @param hedgeCreditBytes most that is saved up for second copies (U23)
   */
  constructor(windowBytes: number, hedgeCreditBytes: number, parts: SendingParts) {
    this.#windowBytes = windowBytes;
    this.#parts = parts;
    this.#hedging = new Hedging(hedgeCreditBytes, parts.servers);
  }

  /** U7: blocks go out until no class has one that fits a channel and its server's window; then copies that are due (U23). */
  send(nowMs: number, awakeMs: number): void {
    if (this.#parts.channels.order.length === 0) return;
    // A copy uses quota: what did not fit then may make room for what does.
    do this.#sendWaiting(nowMs, awakeMs);
    while (this.#hedgeOne(nowMs, awakeMs));
  }

  /** When a copy is due by the passing of time alone, awake; Infinity when none is. */
  dueMs(awakeMs: number): number {
    return this.#hedging.dueMs(awakeMs);
  }

  #sendWaiting(nowMs: number, awakeMs: number): void {
    const { backlog, shares } = this.#parts;
    for (let next = this.#next(nowMs); next !== undefined; next = this.#next(nowMs)) {
      const { entry } = next;
      this.#sendOne(next, undefined, nowMs, awakeMs);
      if (entry.rank === 0) this.#hedging.earned(entry.header.rawBytes);
      countSent(shares, entry.rank, entry.header.rawBytes, next.overtakes, (rank) => backlog.waits(rank));
    }
  }

  /** Sends the next second copy that is due; false when none is, or none can go. */
  #hedgeOne(nowMs: number, awakeMs: number): boolean {
    const { channels, backlog, history } = this.#parts;
    const hasWindow = ({ server }: Channel): boolean => this.#hasWindow(server, 'urgent');
    const hedge = this.#hedging.next(channels.order, hasWindow, nowMs, awakeMs);
    if (hedge === undefined) return false;
    const { flight, channel } = hedge;
    const { entry } = flight;
    const late = flight.channel.server;
    late.urgentFlights.delete(flight);
    backlog.doubt(entry, late.serverId);
    this.#sendOne({ entry, channel }, late, nowMs, awakeMs);
    this.#hedging.spent(entry.header.rawBytes);
    history.happened({
      ...{ atMs: timeMs(nowMs), serverId: channel.serverId, kind: 'hedge' },
      ...{ reason: `${late.serverId} did not answer in time`, rawBytes: entry.header.rawBytes },
    });
    return true;
  }

  #next(nowMs: number): (Fit & { readonly overtakes: boolean }) | undefined {
    const { backlog, shares } = this.#parts;
    // A class that has saved up for its block goes ahead of more urgent ones (U15).
    let isFirstWaiting = true;
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      if (!backlog.waits(rank)) continue;
      if (!isFirstWaiting) {
        // As far as the urgent go: they keep the window full, and the class would never have its turn.
        const found = this.#fit(rank, 'two', nowMs);
        if (found !== undefined && canPay(shares, rank, found.entry.header.rawBytes)) {
          return { ...found, overtakes: true };
        }
      }
      isFirstWaiting = false;
    }
    for (let rank = 0; rank < URGENCY_CLASSES.length; rank += 1) {
      const found = backlog.waits(rank) ? this.#fit(rank, rank === 0 ? 'urgent' : 'one', nowMs) : undefined;
      if (found !== undefined) return { ...found, overtakes: false };
    }
    return undefined;
  }

  /**
   * The oldest block of a class that fits a channel, of those that are first: for any server, and bound to each. When the oldest
   * for any server fits no channel at all, the oldest of each of a few sizes are first in its place.
   */
  #fit(rank: number, width: WindowWidth, nowMs: number): Fit | undefined {
    const { servers, channels, backlog } = this.#parts;
    let found: Fit | undefined;
    const consider = (entry: BlockEntry | undefined): void => {
      if (entry === undefined || (found !== undefined && isOlder(found.entry, entry))) return;
      const hasWindow = ({ server }: Channel): boolean => this.#hasWindow(server, width);
      const channel = chooseChannel(channels.order, servers, entry, entry.boundTo, nowMs, hasWindow);
      if (channel !== undefined) found = { entry, channel };
    };
    const fitsAny = (entry: BlockEntry): boolean =>
      chooseChannel(channels.order, servers, entry, undefined, nowMs) !== undefined;
    const first = backlog.firstWaiting(rank);
    if (first === undefined || fitsAny(first)) consider(first);
    else for (const other of backlog.firstWaitingOfSizes(rank)) consider(other);
    for (const serverId of servers.ids()) consider(backlog.firstBound(serverId, rank));
    return found;
  }

  /**
   * U23, U8: what is on its way is less than the window, or twice as much, up to a limit, on the credit of a class. A block that is
   * larger than the window, but takes no long time, has another one behind it: else the link were idle until its answer is back.
   * Urgent blocks have a window of their own: what else is on its way may have been sent when the link was taken for a faster one.
   */
  #hasWindow(server: Server, width: WindowWidth): boolean {
    const { inFlightCount, inFlightBytes, urgentInFlightBytes, pace } = server;
    const windowBytes = pace.windowBytes(this.#windowBytes);
    if (inFlightCount === 1 && inFlightBytes <= pace.rate * SECOND_BLOCK_MS) return true;
    if (inFlightBytes < windowBytes) return true;
    if (width === 'one') return false;
    const moreBytes = Math.min(windowBytes, URGENT_WINDOW_BYTES);
    return inFlightBytes < windowBytes + moreBytes || (width === 'urgent' && urgentInFlightBytes < moreBytes);
  }

  /** @param late the server that did not answer in time, when this is a second copy */
  #sendOne({ entry, channel }: Fit, late: Server | undefined, nowMs: number, awakeMs: number): void {
    const { backlog, history, effects } = this.#parts;
    const { server, serverId, grant, priority } = channel;
    const block = entry.header;
    if (!channel.violating) this.#notify(entry, channel, late, nowMs);
    const inDoubtAt = entry.doubts.findLast((doubt) => doubt !== serverId) ?? entry.foundInDoubtAt;
    const mark = server.pace.sent(server.inFlightBytes === 0, awakeMs);
    server.owesSinceMs ??= awakeMs;
    channel.usedBytes += block.rawBytes;
    backlog.toInFlight(entry, channel, mark, late !== undefined);
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

  /** M10: at the first use of a channel that violates the priorities, and with it. */
  #notify(entry: BlockEntry, channel: Channel, late: Server | undefined, nowMs: number): void {
    const { servers, backlog, history, effects } = this.#parts;
    const { boundTo } = entry;
    const nextAt = ({ serverId }: Server): BlockEntry[] => [
      ...(boundTo === undefined || boundTo === serverId ? [entry] : []),
      ...backlog.waitingRanks.flatMap((rank) => backlog.firstsAt(serverId, rank)),
    ];
    const notice = noticeFor(channel, servers.all(), nextAt, late, nowMs);
    if (notice === undefined) return;
    const { serverId } = channel;
    channel.violating = true;
    effects.push({ type: 'send_notice', serverId, notice });
    history.noticed({ atMs: timeMs(nowMs), serverId, notice });
  }
}
