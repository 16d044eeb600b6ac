/**
 * What an agent's model is made of (agent-model.ts): blocks, their copies, channels and servers, and what is to be said of one by
 * itself.
 */
import {
  EXPIRY_AHEAD_FRACTION,
  MAX_GRANTS_REMEMBERED,
  REQUEST_AHEAD_FRACTION,
  WINDOW_BYTES,
} from '@sluice/protocol/limits';
import type { AgentId, BlockHeader, ClosedChannel, Grant, ServerId } from '@sluice/protocol/model';

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
  readonly lifetimeMs: number;
  usedBytes: number;
  hasEnded: boolean;
  pausedUntilMs: number;
  /** Its server was told that it was used against the priorities. */
  isViolating: boolean;
}

/** Up to what is on its way: the window, twice as much, or a window of their own for urgent blocks. */
export type ModelWindow = 'one' | 'two' | 'urgent';

/** A copy of a block that was sent and not answered there. */
export interface ModelCopy {
  readonly channel: ModelChannel;
  readonly sentAtMs: number;
  /** Counts all sends of the agent. */
  readonly sentNumber: number;
  /** Bytes that the server had answered then, and when the latest of them; or it was sent with nothing else on its way. */
  readonly answeredBytes: number;
  readonly answeredAtMs: number;
  /** Of the copy that was sent first: another one was sent beside it. */
  hedged: boolean;
  readonly isHedge: boolean;
}

/** What a server answered to one block. */
interface Answer {
  readonly atMs: number;
  readonly tookMs: number;
  /** Bytes per ms. */
  readonly rate: number;
}

/** A connected server, as far as its answers are concerned. Times are the agent's, awake. */
export interface ModelServer {
  answeredBytes: number;
  answeredAtMs: number;
  /** Since it was silent, or nothing was on its way for long. */
  answers: Answer[];
  usualMs: number | undefined;
  leastMs: number;
  owesSinceMs: number | undefined;
  isStalled: boolean;
}

/** A block as the model keeps it. */
export interface ModelBlock {
  readonly header: BlockHeader;
  readonly rank: number;
  /** On their way; none while it waits. */
  copies: ModelCopy[];
  /** Waits for this server only, until then. */
  boundTo: ServerId | undefined;
  boundUntilMs: number;
  doubts: ServerId[];
  doubtUntilMs: number;
  readonly foundInDoubtAt: ServerId | undefined;
}

/** Rendezvous hashing as SPEC.md has it: FNV-1a over `agent NUL server`, and MurmurHash3's finalizer. */
export function placeOf(agentId: AgentId, serverId: ServerId): number {
  let hash = 2_166_136_261;
  for (const unit of [...`${agentId}\0${serverId}`].flatMap((character) => character.split('')))
    hash = Math.imul(hash ^ unit.charCodeAt(0), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A server that was just connected. */
export function newServer(): ModelServer {
  return {
    ...{ answeredBytes: 0, answeredAtMs: 0, answers: [], usualMs: undefined },
    ...{ leastMs: Number.POSITIVE_INFINITY, owesSinceMs: undefined, isStalled: false },
  };
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

/** What a server was asked and has not answered. */
export interface Asked {
  /** Oldest first. */
  readonly requestIds: Set<number>;
  /** Of the latest request: when it was made, the most urgent class that had no quota then, and the smallest block that was next. */
  latestMs: number;
  latestRank: number;
  leastBytes: number;
  /** Quota was taken back since then. */
  isRecalled: boolean;
  /** The answer was a refusal, or of no use: the agent waits, a random time too. */
  mayWait: boolean;
}

/**
 * U2.2: whether a server without an open request is to be asked for the quota that is left there.
 * @param channels of the server that may be sent on
 * @param latestQuotaBytes of its latest grant
 */
export function isQuotaShort(
  channels: readonly ModelChannel[],
  latestQuotaBytes: number,
  unsentBytes: number,
  nowMs: number,
): boolean {
  const sum = (some: readonly ModelChannel[]): number =>
    some.reduce((bytes, channel) => bytes + left(channel), 0);
  if (sum(channels) < Math.min(unsentBytes, WINDOW_BYTES)) return true;
  const lasting = sum(
    channels.filter(
      ({ expiresAtMs, lifetimeMs }) => expiresAtMs - lifetimeMs * EXPIRY_AHEAD_FRACTION > nowMs,
    ),
  );
  return lasting === 0 || lasting < latestQuotaBytes * REQUEST_AHEAD_FRACTION;
}

/** U3: a grant that came before, lives for no time, names a channel twice, or gives nothing. @param before all that came */
export function isWrong(grant: Grant, before: readonly string[]): boolean {
  const isKnown = before.slice(-MAX_GRANTS_REMEMBERED).includes(grant.grantId);
  const numbers = new Set(grant.channels.map(({ channel }) => channel));
  const totalBytes = grant.channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
  return isKnown || grant.lifetimeMs <= 0 || numbers.size < grant.channels.length || totalBytes === 0;
}
