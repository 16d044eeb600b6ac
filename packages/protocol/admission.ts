/**
 * U17: how much a server may grant now: within the journal's room, paced by what the store takes from the journal, and
 * within the operator's limit.
 *
 * Invariants: nothing is granted past the room; while the store takes what the journal holds, backlog and grants
 * together stay within what it takes in {@link BACKLOG_TARGET_MS} (or a floor); over any time the granted bytes stay
 * within the limit times the time, plus its burst, plus one grant of least size, plus what urgent ones borrow.
 */
import {
  BACKLOG_FLOOR_BYTES,
  BACKLOG_TARGET_MS,
  DRAIN_WINDOW_MS,
  LEAST_AWAY_BACKLOG_BYTES,
  LEAST_DRAIN_BYTES_PER_SECOND,
  LEAST_LIMIT_BURST_BYTES,
  LIMIT_BURST_MS,
  LIMIT_URGENT_LOAN_MS,
} from './limits.ts';

export class Admission {
  readonly #limitBytesPerSecond: number | undefined;
  readonly #burstBytes: number;
  #tokenBytes: number;
  #tokensAtMs = 0;
  #roomBytes = 0;
  /** What an empty journal takes: as the shell says, or the most room that there ever was. */
  #capacityBytes: number;
  /** The present window of measuring: since when, the room then, and what became durable since. */
  #window: { readonly sinceMs: number; readonly roomBytes: number } | undefined;
  #durableBytes = 0;
  /** Bytes per second that leave the journal; undefined before the first window is over. */
  #drainRate: number | undefined;

  /** @param journalBytes what the journal takes when it is empty; 0 when that is not known. */
  constructor(limitBytesPerSecond: number | undefined, journalBytes: number) {
    this.#capacityBytes = journalBytes;
    this.#limitBytesPerSecond = limitBytesPerSecond;
    const burst = ((limitBytesPerSecond ?? 0) * LIMIT_BURST_MS) / 1000;
    this.#burstBytes = Math.max(burst, LEAST_LIMIT_BURST_BYTES);
    this.#tokenBytes = this.#burstBytes;
  }

  /** What the journal can take beyond what it holds. */
  get roomBytes(): number {
    return this.#roomBytes;
  }

  /** How full the journal is, 0..1. */
  get fullness(): number {
    return this.#capacityBytes === 0 ? 0 : 1 - this.#roomBytes / this.#capacityBytes;
  }

  /** What leaves the journal per second, as measured; 0 when unknown. */
  get drainBytesPerSecond(): number {
    return Math.max(0, this.#drainRate ?? 0);
  }

  passTime(nowMs: number): void {
    this.#measure(nowMs);
    if (this.#limitBytesPerSecond === undefined || nowMs <= this.#tokensAtMs) return;
    if (this.#tokensAtMs > 0) {
      const earned = (this.#limitBytesPerSecond * (nowMs - this.#tokensAtMs)) / 1000;
      this.#tokenBytes = Math.min(this.#burstBytes, this.#tokenBytes + earned);
    }
    this.#tokensAtMs = nowMs;
  }

  roomChanged(roomBytes: number, nowMs: number): void {
    this.#roomBytes = roomBytes;
    this.#capacityBytes = Math.max(this.#capacityBytes, roomBytes);
    this.#measure(nowMs);
    this.#window ??= { sinceMs: nowMs, roomBytes };
  }

  /** Also when the journal has nothing to say: it may be full to what is granted, and wait for a store that is away. */
  #measure(nowMs: number): void {
    const window = this.#window;
    if (window === undefined || nowMs - window.sinceMs < DRAIN_WINDOW_MS) return;
    const drained = this.#durableBytes + this.#roomBytes - window.roomBytes;
    const rate = (drained * 1000) / (nowMs - window.sinceMs);
    this.#drainRate = this.#drainRate === undefined ? rate : (this.#drainRate + rate) / 2;
    this.#window = { sinceMs: nowMs, roomBytes: this.#roomBytes };
    this.#durableBytes = 0;
  }

  /** Until the journal says anew how much room it has, what it just took is gone from it. */
  becameDurable(rawBytes: number): void {
    this.#durableBytes += rawBytes;
    this.#roomBytes = Math.max(0, this.#roomBytes - rawBytes);
  }

  /** What may be outstanding and on its way into the journal together. */
  get usableBytes(): number {
    const heldBytes = this.#capacityBytes - this.#roomBytes;
    const drain = this.drainBytesPerSecond;
    // The journal exists for a store that takes nothing: then all of its room may be used. Before that is known, little is
    // granted: the first agent after a start or a quiet hour would get all of it.
    const isAway =
      this.#drainRate !== undefined &&
      drain < LEAST_DRAIN_BYTES_PER_SECOND &&
      heldBytes >= LEAST_AWAY_BACKLOG_BYTES;
    if (isAway) return this.#roomBytes;
    const pacedBytes = Math.max(BACKLOG_FLOOR_BYTES, (drain * BACKLOG_TARGET_MS) / 1000) - heldBytes;
    return Math.min(this.#roomBytes, pacedBytes);
  }

  /** What the operator's limit allows now; Infinity without one, 0 or less when it is used up. */
  get limitBytes(): number {
    return this.#limitBytesPerSecond === undefined ? Number.POSITIVE_INFINITY : this.#tokenBytes;
  }

  /** Whether urgent backlog may still be granted ahead of the limit, to be made up for by the rest. */
  get lendsToUrgent(): boolean {
    if (this.#limitBytesPerSecond === undefined) return true;
    return this.#tokenBytes > (-this.#limitBytesPerSecond * LIMIT_URGENT_LOAN_MS) / 1000;
  }

  /** Counts granted bytes against the limit; a negative number gives back what was never used. */
  charge(bytes: number): void {
    if (this.#limitBytesPerSecond === undefined) return;
    this.#tokenBytes = Math.min(this.#burstBytes, this.#tokenBytes - bytes);
  }

  /** When the limit allows something again; Infinity when it does now. */
  get limitFreeAtMs(): number {
    if (this.#limitBytesPerSecond === undefined || this.#tokenBytes >= 1) return Number.POSITIVE_INFINITY;
    return this.#tokensAtMs + Math.ceil(((1 - this.#tokenBytes) * 1000) / this.#limitBytesPerSecond);
  }
}
