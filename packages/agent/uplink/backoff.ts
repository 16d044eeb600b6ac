/**
 * How long to wait before the next attempt to connect: doubling, bounded, with jitter so that a thousand agents do
 * not come back at the same moment.
 *
 * Invariants: a server that was well for STABLE_CONNECTION_MS is tried again at once; one that breaks the protocol is met less
 * and less, whatever lies between, until it has kept to it for VIOLATION_MEMORY_MS.
 */
import type { ErrorCode } from '@sluice/base/error';
import {
  RECONNECT_LEAST_MS,
  RECONNECT_MOST_MS,
  RECONNECT_REFUSED_MS,
  RECONNECT_VIOLATION_LEAST_MS,
  STABLE_CONNECTION_MS,
  VIOLATION_MEMORY_MS,
} from './limits.ts';

/** How a connection, or the attempt to make one, ended. Times are of a clock that only counts on, in ms. */
export interface ConnectionEnd {
  /** Undefined when the server closed it in order. */
  readonly code: ErrorCode | undefined;
  /** From the start of the attempt. */
  readonly lastedMs: number;
  readonly nowMs: number;
}

/** The pauses before the attempts to connect to one server. */
export class ReconnectPauses {
  readonly #random: () => number;
  #failures = 0;
  #violations = 0;
  #violatedAtMs = Number.NEGATIVE_INFINITY;

  /** @param random draws a number in 0..1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** @returns ms until the next attempt */
  after({ code, lastedMs, nowMs }: ConnectionEnd): number {
    switch (code) {
      case 'protocol_mismatch':
      case 'unauthorized':
      case 'config_invalid':
        return RECONNECT_REFUSED_MS;
      case 'protocol_violation':
      case 'limit_exceeded': {
        const isLongAgo = nowMs - this.#violatedAtMs >= VIOLATION_MEMORY_MS;
        this.#violations = isLongAgo ? 1 : this.#violations + 1;
        this.#violatedAtMs = nowMs;
        const wholeMs = doubled(RECONNECT_VIOLATION_LEAST_MS, this.#violations, RECONNECT_REFUSED_MS);
        return Math.round(wholeMs * (1 + this.#random() / 2));
      }
      default: {
        this.#failures = lastedMs >= STABLE_CONNECTION_MS ? 1 : this.#failures + 1;
        return reconnectDelayMs(this.#failures, this.#random());
      }
    }
  }
}

/**
 * Pause in milliseconds before attempt `failures + 1`.
 *
 * @param failures attempts that failed in a row, from 1
 * @param random a number in 0..1, drawn by the caller
 * @returns between half of the doubled pause and all of it, at most RECONNECT_MOST_MS
 */
export function reconnectDelayMs(failures: number, random: number): number {
  return Math.round((doubled(RECONNECT_LEAST_MS, failures, RECONNECT_MOST_MS) / 2) * (1 + random));
}

/** @param times from 1 */
function doubled(leastMs: number, times: number, mostMs: number): number {
  return Math.min(mostMs, leastMs * 2 ** Math.min(Math.max(0, times - 1), 16));
}
