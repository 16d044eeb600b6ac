/**
 * U17, U3: whether a server may give what it gives, and gives what it may: the room, the store's pace, the operator's
 * limit with what urgent backlog may borrow, how little an idle agent gets, whose turn it is, and the fair part of each.
 *
 * Invariants: room, pace and limit are counted here anew from events; the numbers of the rules come from limits.ts.
 */
import {
  BACKLOG_FLOOR_BYTES,
  BACKLOG_TARGET_MS,
  DEFER_TIMEOUT_MS,
  DRAIN_WINDOW_MS,
  DRAINING_RETRY_AFTER_MS,
  HEADROOM_BYTES,
  IDLE_QUOTA_BYTES,
  IDLE_ROOM_FRACTION,
  LEAST_AWAY_BACKLOG_BYTES,
  LEAST_DRAIN_BYTES_PER_SECOND,
  LEAST_IDLE_QUOTA_BYTES,
  LEAST_LIMIT_BURST_BYTES,
  LIMIT_BURST_MS,
  LIMIT_URGENT_LOAN_MS,
  LOADED_FRACTION,
  MAX_AGE_COUNTED_MS,
  MOST_RETRY_AFTER_MS,
  RETRY_AFTER_MS,
  UNLOADED_FRACTION,
} from '@sluice/protocol/limits';
import type { Grant, UploadRequest } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES } from '@sluice/protocol/model';
import { CheckFailure } from './checker.ts';
import type { BookedAgent, ServerBooks } from './server-books.ts';
import { backlogBytes, outstandingBytes } from './server-books.ts';

/** Sums of fractions of bytes, added up in another order. */
const ROUNDING_BYTES = 2;

export class AdmissionModel {
  readonly #books: ServerBooks;
  /** Undefined: no limit. */
  readonly #limit: number | undefined;
  readonly #burstBytes: number;
  #allowanceBytes: number;
  #countedMs: number | undefined;
  #roomBytes = 0;
  /** When and with how much room the present measurement of the pace began. */
  #measured: { readonly atMs: number; readonly roomBytes: number } | undefined;
  #durableBytes = 0;
  #pace: number | undefined;
  isLoaded = false;

  constructor(books: ServerBooks) {
    this.#books = books;
    this.#limit = books.shape.ingestLimitBytesPerSecond;
    this.#burstBytes = Math.max(LEAST_LIMIT_BURST_BYTES, ((this.#limit ?? 0) * LIMIT_BURST_MS) / 1000);
    this.#allowanceBytes = this.#burstBytes;
  }

  passTime(): void {
    this.#measure();
    const { nowMs } = this.#books;
    const earned = ((this.#limit ?? 0) * (nowMs - (this.#countedMs ?? nowMs))) / 1000;
    this.#allowanceBytes = Math.min(this.#burstBytes, this.#allowanceBytes + earned);
    this.#countedMs = nowMs;
  }

  /** Counts bytes against the limit; negative: given back. */
  charge(bytes: number): void {
    this.#allowanceBytes = Math.min(this.#burstBytes, this.#allowanceBytes - bytes);
  }

  durable(bytes: number): void {
    this.#durableBytes += bytes;
    this.#roomBytes = Math.max(0, this.#roomBytes - bytes);
  }

  room(roomBytes: number): void {
    const { nowMs } = this.#books;
    this.#roomBytes = roomBytes;
    this.#measure();
    this.#measured ??= { atMs: nowMs, roomBytes };
  }

  #measure(): void {
    if (this.#measured === undefined) return;
    const { nowMs } = this.#books;
    const tookMs = nowMs - this.#measured.atMs;
    if (tookMs < DRAIN_WINDOW_MS) return;
    const pace = ((this.#durableBytes + this.#roomBytes - this.#measured.roomBytes) * 1000) / tookMs;
    this.#pace = this.#pace === undefined ? pace : (this.#pace + pace) / 2;
    this.#measured = { atMs: nowMs, roomBytes: this.#roomBytes };
    this.#durableBytes = 0;
  }

  /** After the event, before its grants. */
  judgeLoad(): void {
    const fullness = 1 - this.#roomBytes / this.#books.shape.journalBytes;
    if (fullness >= LOADED_FRACTION) this.isLoaded = true;
    if (fullness <= UNLOADED_FRACTION) this.isLoaded = false;
  }

  /** Checks a grant that is about to be booked, and counts it. */
  grant(what: string, agent: BookedAgent, grant: Grant): void {
    const ahead = this.#books.waiting.find((other) => other !== agent && isBefore(other, agent));
    if (ahead !== undefined) fail('turn', `${what} out of turn`);
    const totalBytes = grant.channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
    const due = this.#due(agent);
    if (due === undefined) fail('admission', `${what}, which nothing allows`);
    if (totalBytes > due.mostBytes + ROUNDING_BYTES || totalBytes < 1)
      fail('admission', `${what} with ${totalBytes} bytes, but ${due.mostBytes} at most (${due.why})`);
    if (due.why !== 'idle') this.charge(totalBytes);
  }

  refusal(what: string, agent: BookedAgent, { refusalReason, retryAfterMs = 0 }: Grant): void {
    const waitedMs = this.#books.nowMs - (agent.request?.sinceMs ?? 0);
    if (refusalReason === 'holds_enough') {
      if (this.#holdsEnough(agent) !== true || retryAfterMs !== RETRY_AFTER_MS)
        fail('refusal', `${what}: it holds enough, it says, and is to come again after ${retryAfterMs} ms`);
      return;
    }
    const isRight = this.#books.isDraining
      ? refusalReason === 'draining' && retryAfterMs === DRAINING_RETRY_AFTER_MS
      : refusalReason === 'overloaded' &&
        retryAfterMs >= RETRY_AFTER_MS &&
        retryAfterMs <= MOST_RETRY_AFTER_MS;
    if (!isRight) fail('refusal', `${what}: ${refusalReason}, again after ${retryAfterMs} ms`);
    if (!this.#books.isDraining && waitedMs < DEFER_TIMEOUT_MS)
      fail('refusal', `${what} after only ${waitedMs} ms`);
    const waiting = this.#books.waiting.length;
    if (!this.#books.isDraining && retryAfterMs < Math.min(MOST_RETRY_AFTER_MS, RETRY_AFTER_MS + waiting - 1))
      fail('refusal', `${what}: all ${waiting} that wait are to come back at once`);
  }

  /** Whether what the agent may hold has no room for what it needs; undefined when it asks for nothing. */
  #holdsEnough(agent: BookedAgent): boolean | undefined {
    const request = agent.request?.content;
    if (request === undefined) return undefined;
    const leastBytes = backlogBytes(request) === 0 ? this.#idleBytes() : needBytesOf(request);
    return Math.floor(agent.mayHoldBytes - outstandingBytes(agent)) < leastBytes;
  }

  #idleBytes(): number {
    const usableBytes = Math.min(this.#roomBytes, this.#pacedBytes());
    const part = Math.floor((usableBytes * IDLE_ROOM_FRACTION) / this.#books.agents.size);
    return Math.min(IDLE_QUOTA_BYTES, Math.max(LEAST_IDLE_QUOTA_BYTES, part));
  }

  /** After a step: who is first in the line could not be served. */
  left(serverId: string): void {
    if (this.#books.isDraining) return;
    const [first, ...others] = this.#books.waiting;
    if (first === undefined) return;
    const best = others.reduce((before, other) => (isBefore(other, before) ? other : before), first);
    const due = this.#due(best);
    if (due !== undefined && due.spareBytes > ROUNDING_BYTES)
      fail('admission', `${serverId} gives nothing, but could give ${due.mostBytes} bytes (${due.why})`);
  }

  /** What may be given to the first in the line, and by which rule; undefined for nothing. */
  #due(
    agent: BookedAgent,
  ): { readonly why: string; readonly mostBytes: number; readonly spareBytes: number } | undefined {
    const request = agent.request?.content;
    if (request === undefined) return undefined;
    const { promisedBytes, shape } = this.#books;
    const usableBytes = Math.min(this.#roomBytes, this.#pacedBytes());
    const idleBytes = this.#idleBytes();
    const mayHoldBytes = agent.mayHoldBytes - outstandingBytes(agent);
    if (this.#holdsEnough(agent) === true) return undefined;
    const freeBytes = usableBytes - promisedBytes;
    const waitingBytes = backlogBytes(request);
    if (waitingBytes === 0) {
      const spareBytes = freeBytes - idleBytes + 1;
      return spareBytes < 1 - ROUNDING_BYTES ? undefined : { why: 'idle', mostBytes: idleBytes, spareBytes };
    }
    const needBytes = needBytesOf(request);
    const allowanceBytes = this.#limit === undefined ? Number.POSITIVE_INFINITY : this.#allowanceBytes;
    const channelsBytes = shape.channels.reduce((sum, { quotaBytes }) => sum + quotaBytes, 0);
    const leftBytes = Math.min(freeBytes - needBytes + 1, allowanceBytes);
    const isPlenty = freeBytes >= needBytes && allowanceBytes > -ROUNDING_BYTES;
    const part = Math.min(freeBytes / this.#books.waiting.length, allowanceBytes);
    const largest = Math.max(
      ...request.backlog.map(({ rawBytes, nextBlockRawBytes }) => nextBlockRawBytes ?? rawBytes),
    );
    const lanesBytes = (shape.channels.length - 1) * Math.min(MAX_BLOCK_RAW_BYTES, largest);
    const spareBytes = Math.max(HEADROOM_BYTES, lanesBytes) + idleBytes;
    const usefulBytes = Math.min(channelsBytes, waitingBytes + spareBytes, mayHoldBytes);
    const regular = {
      why: 'part of what there is',
      ...{ mostBytes: Math.max(needBytes, Math.min(part, usefulBytes)), spareBytes: leftBytes },
    };
    if (isPlenty && allowanceBytes > ROUNDING_BYTES) return regular;
    const urgentBytes = request.backlog.find(({ urgency }) => urgency === 'urgent')?.rawBytes ?? 0;
    const leastBytes = Math.min(urgentBytes, MAX_BLOCK_RAW_BYTES);
    const roomBytes = Math.min(this.#roomBytes - promisedBytes, mayHoldBytes);
    const loanBytes =
      this.#limit === undefined
        ? Number.POSITIVE_INFINITY
        : this.#allowanceBytes + (this.#limit * LIMIT_URGENT_LOAN_MS) / 1000;
    // Within the rounding both rules are right.
    const otherwise = isPlenty ? regular : undefined;
    if (urgentBytes === 0 || roomBytes < leastBytes || loanBytes < -ROUNDING_BYTES) return otherwise;
    const highest = shape.channels.toSorted((a, b) => a.priority - b.priority)[0];
    const lentBytes = Math.min(roomBytes, highest?.quotaBytes ?? 0, Math.max(leastBytes, urgentBytes));
    const mostBytes = Math.max(lentBytes, otherwise?.mostBytes ?? 0);
    return { why: 'urgent', mostBytes, spareBytes: Math.min(roomBytes - leastBytes + 1, loanBytes) };
  }

  /** What the journal may hold and have promised, for the store to take it soon. */
  #pacedBytes(): number {
    const pace = Math.max(0, this.#pace ?? 0);
    const heldBytes = this.#books.shape.journalBytes - this.#roomBytes;
    const isAway = this.#pace !== undefined && pace < LEAST_DRAIN_BYTES_PER_SECOND;
    if (isAway && heldBytes >= LEAST_AWAY_BACKLOG_BYTES) return Number.POSITIVE_INFINITY;
    return Math.max(BACKLOG_FLOOR_BYTES, (pace * BACKLOG_TARGET_MS) / 1000) - heldBytes;
  }
}

/** Urgent backlog first, then who wants little, then who was given least, then whose oldest urgent record came first. */
function isBefore(a: BookedAgent, b: BookedAgent): boolean {
  const [rank, otherRank] = [a, b].map(rankOf);
  if (rank !== otherRank) return (rank ?? 0) < (otherRank ?? 0);
  const [mine, others] = [a, b].map(({ standsAtBytes }) => standsAtBytes ?? 0);
  if (mine !== others) return (mine ?? 0) < (others ?? 0);
  const [due, othersDue] = [a, b].map(dueMs);
  if (due !== othersDue) return (due ?? 0) < (othersDue ?? 0);
  return (a.asked ?? 0) < (b.asked ?? 0);
}

/** When the oldest urgent record came, by the word of the latest request; nothing is due if none is urgent. */
function dueMs({ request, askedAtMs }: BookedAgent): number {
  const ageMs = request?.content.backlog.find(({ urgency }) => urgency === 'urgent')?.oldestAgeMs;
  return ageMs === undefined ? 0 : askedAtMs - Math.min(MAX_AGE_COUNTED_MS, ageMs);
}

/** The block that is next, of the most urgent class that names one; else the largest that may be. */
function needBytesOf({ backlog }: UploadRequest): number {
  const named = backlog.find(({ nextBlockRawBytes }) => nextBlockRawBytes !== undefined);
  const largestBytes = Math.max(...backlog.map(({ rawBytes }) => rawBytes));
  return Math.min(MAX_BLOCK_RAW_BYTES, named?.nextBlockRawBytes ?? largestBytes);
}

function rankOf({ request }: BookedAgent): number {
  const backlog = request?.content.backlog ?? [];
  if (backlog.some(({ urgency }) => urgency === 'urgent')) return 0;
  return backlog.length === 0 ? 1 : 2;
}

function fail(checker: string, message: string): never {
  throw new CheckFailure(checker, message);
}
