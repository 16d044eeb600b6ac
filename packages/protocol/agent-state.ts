/**
 * The agent machine's data: blocks, channels and servers.
 *
 * Invariants: a block entry is in exactly one place: waiting for any server, bound to one server, in flight on one
 * channel (or two, of different servers), or gone. A channel is in the channel order exactly while it may send. All is plain data.
 */

import type { Handle } from '@sluice/base/collections/handle';
import type { PaceMark } from './link-pace.ts';
import { LinkPace } from './link-pace.ts';
import type { BlockHeader, ChannelNumber, ClosedChannel, GrantId, ServerId } from './model.ts';

/** Where a block is. `gone`: acknowledged or set aside. */
export type BlockPlace = 'waiting' | 'bound' | 'in_flight' | 'gone';

export interface BlockEntry {
  readonly header: BlockHeader;
  readonly rank: number;
  place: BlockPlace;
  /** The server that it must go to (`bound`). */
  boundTo: ServerId | undefined;
  /** Its copies on their way (`in_flight`): one, or two when it was hedged (U23). */
  readonly flights: Flight[];
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

/** One copy of a block on its way. */
export interface Flight {
  readonly entry: BlockEntry;
  readonly channel: Channel;
  readonly mark: PaceMark;
  /** It was sent because another copy was not answered in time. */
  readonly isHedge: boolean;
}

/** When a bound block may go to any server. */
export interface Release {
  readonly entry: BlockEntry;
  readonly atMs: number;
}

/** One logical channel of a live grant. */
export interface Channel {
  readonly serverId: ServerId;
  readonly server: Server;
  readonly grant: LiveGrant;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly quotaBytes: number;
  readonly reservedForUrgentBytes: number;
  usedBytes: number;
  /** Taken back, given up or broken: never sent on again. */
  ended: boolean;
  readonly inFlight: Set<Flight>;
  /** No sending before this time, after a retryable refusal. */
  pausedUntilMs: number;
  /** It was used in violation of the priorities, and its server was told (U9, U10). */
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
  /** Its channels that may be sent on, in the order of use. */
  readonly order: Channel[];
  /** Blocks on their way to it, and their raw bytes. */
  inFlightCount: number;
  inFlightBytes: number;
  /** Those of urgent blocks. */
  urgentInFlightBytes: number;
  /** Urgent blocks on their way that were not hedged, in the order of their sending. */
  readonly urgentFlights: Set<Flight>;
  readonly pace: LinkPace;
  /**
   * Since when it owes an answer: its latest one, or the first block on its way after none was. Undefined when it owes none.
   * That another server answered a copy changes nothing: what it was sent it still owes.
   */
  owesSinceMs: number | undefined;
  /** It owes an answer for too long: nothing is sent to it (U13). */
  stalled: boolean;
  /** Requests of this connection that a grant may answer, oldest first. */
  askedIds: number[];
  /** Time of the request that waits for an answer. */
  waitingSinceMs: number | undefined;
  /** The latest grants that it gave, so that none is taken twice; at most {@link MAX_GRANTS_REMEMBERED}, oldest first. */
  readonly grantIds: GrantId[];
  /** The smallest of the blocks that were next at the latest request; Infinity when there was none. */
  askedBytes: number;
  /** Grants in a row on which no block that was named fits. */
  uselessGrants: number;
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

/** A new server, not connected. @param firstWindowBytes while it is not known how fast it answers */
export function createServer(serverId: ServerId, firstWindowBytes?: number): Server {
  return {
    serverId,
    connected: false,
    grants: new Map(),
    order: [],
    inFlightCount: 0,
    inFlightBytes: 0,
    urgentInFlightBytes: 0,
    urgentFlights: new Set(),
    pace: new LinkPace(firstWindowBytes),
    owesSinceMs: undefined,
    stalled: false,
    askedIds: [],
    waitingSinceMs: undefined,
    grantIds: [],
    askedBytes: Number.POSITIVE_INFINITY,
    uselessGrants: 0,
    askedRank: 0,
    lastRequestAtMs: Number.NEGATIVE_INFINITY,
    notBeforeMs: Number.NEGATIVE_INFINITY,
    latestArrival: 0,
    latestQuotaBytes: 0,
    closedChannels: [],
    recalled: false,
  };
}
