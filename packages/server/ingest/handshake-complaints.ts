/**
 * Says why TLS handshakes fail: an agent with a wrong certificate hears nothing about it, so whoever runs the server must.
 *
 * Invariant: anyone may connect and fail, so at normal level at most one line per interval is written, with the number of
 * those that were not told since the one before. Who goes away in the middle, as port checks do, is no complaint.
 */
import type { Logger } from 'pino';
import { HANDSHAKE_COMPLAINT_INTERVAL_MS } from './limits.ts';

export class HandshakeComplaints {
  readonly #logger: Logger;
  #untold = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param nowMs of a clock that never goes back */
  failed(error: Error, remoteAddress: string | undefined, nowMs: number = performance.now()): void {
    const details = { error: error.message, remoteAddress };
    if ('code' in error && error.code === 'ECONNRESET') {
      this.#logger.debug(details, 'TLS handshake given up by the other side');
      return;
    }
    if (nowMs < this.#toldAtMs + HANDSHAKE_COMPLAINT_INTERVAL_MS) {
      this.#untold += 1;
      this.#logger.debug(details, 'TLS handshake failed');
      return;
    }
    this.#logger.warn({ ...details, untoldBefore: this.#untold }, 'TLS handshake failed');
    this.#untold = 0;
    this.#toldAtMs = nowMs;
  }
}
