/**
 * U23: how fast a server acknowledges, and how long it takes: what the window, hedging and stalls follow.
 *
 * The rate is the delivery rate of the block that was answered (its bytes and those that were answered while it was on its way,
 * over that time: as in "Delivery Rate Estimation", draft-cheng-iccrg-delivery-rate-estimation), the largest of about the
 * latest second with answers: a pause of the disk must not close the window, a link that became slow must within seconds.
 *
 * Invariants: constant size; only answers change it.
 */
import {
  FIRST_WINDOW_BYTES,
  LEAST_WINDOW_BYTES,
  MAX_BASE_DELAY_MS,
  PACE_IDLE_MS,
  WINDOW_DELAY_MS,
} from './limits.ts';

/** What had been answered when a block was sent. */
export interface PaceMark {
  readonly sentAtMs: number;
  readonly deliveredBytes: number;
  /** When the latest byte of these was answered, or the block was sent with nothing else on its way. */
  readonly deliveredAtMs: number;
}

const RATE_BUCKET_MS = 1_000;
/** Part of a new time that goes into the smoothed one: RFC 6298's alpha. */
const SMOOTHING = 1 / 8;

export class LinkPace {
  readonly #firstWindowBytes: number;
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #bucket = Number.NEGATIVE_INFINITY;
  /** Bytes per ms: the largest of the bucket, and of the one before. */
  #rate = 0;
  #rateBefore = 0;
  #usualMs: number | undefined;
  #leastMs = Number.POSITIVE_INFINITY;

  /** @param firstWindowBytes the window while no rate is known */
  constructor(firstWindowBytes: number = FIRST_WINDOW_BYTES) {
    this.#firstWindowBytes = firstWindowBytes;
  }

  /** A block is sent. @param isAlone nothing else is on its way to the server. */
  sent(isAlone: boolean, nowMs: number): PaceMark {
    if (isAlone) {
      // Nobody knows what became of the link meanwhile.
      if (nowMs >= this.#deliveredAtMs + PACE_IDLE_MS) this.forgetRate();
      this.#deliveredAtMs = nowMs;
    }
    return { sentAtMs: nowMs, deliveredBytes: this.#deliveredBytes, deliveredAtMs: this.#deliveredAtMs };
  }

  /** The block with this mark was answered. */
  answered({ sentAtMs, deliveredBytes, deliveredAtMs }: PaceMark, rawBytes: number, nowMs: number): void {
    this.#deliveredBytes += rawBytes;
    this.#deliveredAtMs = nowMs;
    const rate = (this.#deliveredBytes - deliveredBytes) / Math.max(1, nowMs - deliveredAtMs);
    const bucket = Math.floor(nowMs / RATE_BUCKET_MS);
    if (bucket > this.#bucket) {
      this.#rateBefore = bucket === this.#bucket + 1 ? this.#rate : 0;
      this.#rate = rate;
      this.#bucket = bucket;
    } else this.#rate = Math.max(this.#rate, rate);
    const tookMs = nowMs - sentAtMs;
    this.#leastMs = Math.min(this.#leastMs, tookMs);
    this.#usualMs =
      this.#usualMs === undefined ? tookMs : this.#usualMs + (tookMs - this.#usualMs) * SMOOTHING;
  }

  /** The server was silent: what it took before says nothing any more. */
  forgetRate(): void {
    this.#rate = 0;
    this.#rateBefore = 0;
    this.#bucket = Number.NEGATIVE_INFINITY;
  }

  /** Raw bytes per ms; 0 when nothing is known. */
  get rate(): number {
    return Math.max(this.#rate, this.#rateBefore);
  }

  /** From a block's sending to its answer, smoothed; undefined before the first answer. */
  get usualMs(): number | undefined {
    return this.#usualMs;
  }

  /**
   * Raw bytes that may be on their way: what is answered within {@link WINDOW_DELAY_MS} beyond the time that an answer takes
   * when nothing is in its way.
   */
  windowBytes(mostBytes: number): number {
    if (this.rate === 0) return Math.min(mostBytes, this.#firstWindowBytes);
    const delayMs = WINDOW_DELAY_MS + Math.min(this.#leastMs, MAX_BASE_DELAY_MS);
    return Math.min(mostBytes, Math.max(LEAST_WINDOW_BYTES, this.rate * delayMs));
  }
}
