/**
 * The agent machine's data: blocks, channels and servers.
 *
 * Invariants: a block entry is in exactly one place: waiting for any server, bound to one server, in flight on one
 * channel, or gone. A channel is in the channel order exactly while it may send. All is plain data.
 */

import type { Handle } from '@sluice/base/collections/handle';
import type { BlockHeader, ChannelNumber, ClosedChannel, GrantId, ServerId } from './model.ts';

/** Where a block is. `gone`: acknowledged or set aside. */
export type BlockPlace = 'waiting' | 'bound' | 'in_flight' | 'gone';

export interface BlockEntry {
  readonly header: BlockHeader;
  readonly rank: number;
  place: BlockPlace;
  /** The server that it must go to (`bound`). */
  boundTo: ServerId | undefined;
  /** The channel that it was sent on (`in_flight`). */
  channel: Channel | undefined;
  /** Servers that may have it durable already (U14), latest last; at most {@link MAX_SERVERS_REMEMBERED}. */
  doubts: ServerId[];
  /** When the time in doubt of the latest one is over. */
  doubtUntilMs: number;
  /**
   * The queue's note from an earlier life. It names the latest server only, so others before it may have the block too:
   * it is sent marked wherever it goes.
   */
  foundInDoubtAt: ServerId | undefined;
  /** Where it stands among the blocks that wait like it (`waiting`, `bound`). */
  handle: Handle<BlockEntry> | undefined;
  /** Where its release stands among the others (`bound`). */
  release: Handle<Release> | undefined;
}

/** When a bound block may go to any server. */
export interface Release {
  readonly entry: BlockEntry;
  readonly atMs: number;
}

/** One logical channel of a live grant. */
export interface Channel {
  readonly serverId: ServerId;
  readonly grant: LiveGrant;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly reservedForUrgentBytes: number;
  usedBytes: number;
  /** Taken back, given up or broken: never sent on again. */
  ended: boolean;
  readonly inFlight: Set<BlockEntry>;
  /** Raw bytes of `inFlight`. */
  inFlightBytes: number;
  /** Time of the latest acknowledgement, or of the first block in flight after none was. */
  progressAtMs: number;
  stalled: boolean;
  /** No sending before this time, after a retryable refusal. */
  pausedUntilMs: number;
  /** Its first use was a violation (U9). */
  violating: boolean;
}

export interface LiveGrant {
  readonly grantId: GrantId;
  /** Counts grants up as they arrive, over all servers: the third tie-break of the channel order. */
  readonly arrival: number;
  readonly lifetimeMs: number;
  readonly expiresAtMs: number;
  readonly quotaBytes: number;
  readonly channels: Channel[];
}

/** Everything known of one server. */
export interface Server {
  readonly serverId: ServerId;
  connected: boolean;
  readonly grants: Map<GrantId, LiveGrant>;
  /** Requests of this connection that a grant may answer, oldest first. */
  askedIds: number[];
  /** Time of the request that waits for an answer. */
  waitingSinceMs: number | undefined;
  /** Most urgent rank that the request that waits for an answer spoke of. */
  askedRank: number;
  lastRequestAtMs: number;
  /** Not to be asked before (after a refusal). */
  notBeforeMs: number;
  /** Place among all grants, and quota, of its latest grant. */
  latestArrival: number;
  latestQuotaBytes: number;
  /** Channels that ended with quota left, to be told with the next request (U2). */
  readonly closedChannels: ClosedChannel[];
  /** It took quota back and was not asked since: it waits to hear what was sent on it (U17). */
  recalled: boolean;
}

/** Quota bytes left on a channel that may be sent on; 0 on one that ended. */
export function quotaLeftBytes(channel: Channel): number {
  return channel.ended ? 0 : channel.quotaBytes - channel.usedBytes;
}

/** A new server, not connected. */
export function createServer(serverId: ServerId): Server {
  return {
    serverId,
    connected: false,
    grants: new Map(),
    askedIds: [],
    waitingSinceMs: undefined,
    askedRank: 0,
    lastRequestAtMs: Number.NEGATIVE_INFINITY,
    notBeforeMs: Number.NEGATIVE_INFINITY,
    latestArrival: 0,
    latestQuotaBytes: 0,
    closedChannels: [],
    recalled: false,
  };
}
