/**
 * The words of the uplink as types. Everything else in this package, the wire conversion, the agent and the
 * server speak in these.
 *
 * Invariants of this module: it holds types and limits only; no I/O, no clock, no randomness, no mutable state.
 */

import type { Branded } from '@sluice/base/brand';

/** Names one server, chosen by its operator; at most {@link MAX_ID_BYTES} bytes. Comparable: ties are broken by it. */
export type ServerId = Branded<string, 'ServerId'>;
/** Names one agent (one durable queue on one computer). */
export type AgentId = Branded<string, 'AgentId'>;
/** Names one grant; unique within a server for as long as any agent may remember it (server start time + counter). */
export type GrantId = Branded<string, 'GrantId'>;
/** Names one upload request of one agent; counts up from 1 in each agent process. */
export type RequestId = Branded<number, 'RequestId'>;
/** Number of a channel within its grant, from 1. A channel is named by (server, grant, channel number). */
export type ChannelNumber = Branded<number, 'ChannelNumber'>;
/** Milliseconds since 1970, always handed in with an event. */
export type TimeMs = Branded<number, 'TimeMs'>;

/** Longest server or agent id in UTF-8 bytes: ids stand in every block and every metric label. */
export const MAX_ID_BYTES = 128;

/** Urgency classes, most urgent first. The index of a class in this list is its rank and its number on the wire. */
export const URGENCY_CLASSES = ['urgent', 'elevated', 'normal', 'bulk'] as const;
/** `urgent`: ERROR, FATAL. `elevated`: WARN. `normal`: INFO or unknown. `bulk`: DEBUG, TRACE. */
export type UrgencyClass = (typeof URGENCY_CLASSES)[number];

/** Names what a block holds: the same for equal content, and for no other. Opaque here (packages/block/digest.ts). */
export type BlockDigest = Branded<string, 'BlockDigest'>;

/** The place of a block among all of its agent, drawn before its content is sealed. */
export interface BlockPosition {
  readonly agentId: AgentId;
  /** One run of the agent: drawn anew at each start. A safe integer. */
  readonly epoch: number;
  /** Counts up from 1 over all runs on one data directory, and over all classes. A safe integer. */
  readonly sequence: number;
}

/**
 * The permanent identity of a block. It never changes, whichever server the block goes to, so that each receiver can
 * tell a repetition from news. The digest is a part of it: a position alone may be drawn twice (a virtual machine that
 * goes back to a snapshot, two copies of one machine, somebody who takes the agent's name), and what stands at it the second
 * time is another block.
 */
export interface BlockId extends BlockPosition {
  readonly digest: BlockDigest;
}

/** What the scheduler knows of a sealed block. The bytes stay in the queue. */
export interface BlockHeader {
  readonly id: BlockId;
  readonly urgency: UrgencyClass;
  /** Uncompressed payload size: what quotas count. At most {@link MAX_BLOCK_RAW_BYTES}. */
  readonly rawBytes: number;
  readonly recordCount: number;
  /** When the oldest record of the block was observed. */
  readonly oldestObservedMs: TimeMs;
}

/**
 * Largest uncompressed block. Bounds what a server must hold to validate one block, and is the least quota that a
 * channel may have: a smaller one could never be used by a full block.
 */
export const MAX_BLOCK_RAW_BYTES: number = 4 * 1024 * 1024;
/**
 * Far above what any agent seals, and so far below the last safe integer that what is computed from a sequence (the next one, the
 * end of its chunk) can be kept as one too.
 */
export const MAX_SEQUENCE: number = 2 ** 52;

/** What an agent holds of one class and no server has acknowledged. */
export interface ClassBacklog {
  readonly urgency: UrgencyClass;
  readonly recordCount: number;
  readonly rawBytes: number;
  /** Age of the oldest record at the time of the request; 0 when nothing waits. */
  readonly oldestAgeMs: number;
  /**
   * In a request: raw bytes of the block of this class that is next. A channel without room for it carries nothing of it; what
   * a grant holds beyond may be too little for another one.
   */
  readonly nextBlockRawBytes?: number;
}

/** An agent's statement of its backlog (U2). The same backlog goes to every connected server (U1). */
export interface UploadRequest {
  readonly requestId: RequestId;
  /** One entry per class that waits. */
  readonly backlog: readonly ClassBacklog[];
  /** Channels of this server with quota that stays unused; left out when there are none. */
  readonly closedChannels?: readonly ClosedChannel[];
}

/**
 * The agent's word that nothing more comes on a channel than what it has sent: the rest of its quota is the server's again
 * at once, and not only when the grant ends (U2).
 */
export interface ClosedChannel {
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  /** Raw bytes sent on it, some of which may still be on their way. */
  readonly usedBytes: number;
}

/**
 * Most channels that one request closes; the rest waits for the next. An agent keeps 64 live ones of a server, so more hardly
 * ever end between two requests.
 */
export const MAX_CLOSED_CHANNELS = 128;

/** One logical channel of a grant. */
export interface GrantedChannel {
  readonly channel: ChannelNumber;
  /** 1 is the highest; comparable across servers. */
  readonly priority: number;
  /** Uncompressed bytes that may be sent on this channel under this grant. */
  readonly quotaBytes: number;
  /** The part of `quotaBytes` that only urgent blocks may use (U8). */
  readonly reservedForUrgentBytes: number;
}

/** A server's permission to send, in answer to one request (U3). No channels: a refusal. */
export interface Grant {
  readonly grantId: GrantId;
  readonly requestId: RequestId;
  readonly channels: readonly GrantedChannel[];
  /** How long the grant lives from its arrival at the agent. */
  readonly lifetimeMs: number;
  /** Only in a refusal: why. */
  readonly refusalReason?: RefusalReason;
  /** Only in a refusal: not to ask again sooner than this, plus the agent's jitter. */
  readonly retryAfterMs?: number;
}

/** `holds_enough`: the agent holds as much quota unused as it may. */
export type RefusalReason = 'overloaded' | 'draining' | 'nothing_waits' | 'holds_enough';

/** Largest number of channels in one grant: each is a stream on the wire and a row in the scheduler. */
export const MAX_CHANNELS_PER_GRANT = 16;
/** Lowest (numerically largest) priority: keeps priorities small integers on the wire. */
export const MAX_PRIORITY = 1_000_000;

/** Tells a server that its channel was used while a server that outranks it still had channels waiting (U9, U10). */
export interface PriorityViolationNotice {
  readonly grantId: GrantId;
  readonly channel: ChannelNumber;
  readonly priority: number;
  readonly outrankedBy: readonly OutrankingServer[];
}

/** A server that outranks the one that is told, and the lower priorities that it still held at that moment. */
export interface OutrankingServer {
  readonly serverId: ServerId;
  /** Its highest live priority. */
  readonly highestPriority: number;
  /** All its live priorities with quota left, ascending. */
  readonly heldPriorities: readonly number[];
}

/** Why a server did not take a block (U12). `malformed` sets it aside, `retryable` sends it again. */
export type BlockRefusal =
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'retryable'; readonly reason: string };

/** The block's identity as a key for maps and logs: `agent/epoch/sequence/digest`. */
export function blockKey(id: BlockId): string {
  return `${positionKey(id)}/${id.digest}`;
}

/** The block's position as a key: `agent/epoch/sequence`. */
export function positionKey(position: BlockPosition): string {
  return `${position.agentId}/${position.epoch}/${position.sequence}`;
}

/** Rank of a class: 0 is the most urgent. */
export function urgencyRank(urgency: UrgencyClass): number {
  return URGENCY_CLASSES.indexOf(urgency);
}
