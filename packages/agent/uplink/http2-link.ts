/**
 * One HTTP/2 connection to one server, as ConnectRPC's transport wants it: opened once, proven alive by pings, never
 * opened again by itself (a new connection needs a new handshake, so the reconnect loop decides).
 *
 * Invariants: after `closed` resolved every request fails; a dead peer is noticed within PING_INTERVAL_MS +
 * PING_TIMEOUT_MS; no listener and no timer outlives the connection.
 */
import * as http2 from 'node:http2';
import { SluiceError } from '@sluice/base/error';
import { tlsProblem } from '@sluice/host/tls-problem';
import { CONNECT_TIMEOUT_MS, PING_INTERVAL_MS, PING_TIMEOUT_MS, SESSION_MEMORY_MB } from './limits.ts';

/** PEM texts. Without `ca` the system's authorities count; `cert` and `key` present this agent to the server. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** How often and how long to ask whether the peer lives, in milliseconds. */
export interface PingTimes {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** Has the shape of connect-node's `sessionManager`. */
export class Http2Link {
  readonly authority: string;
  /** Resolves once the connection is gone, with the reason when there is one. */
  readonly closed: Promise<Error | undefined>;
  readonly #session: http2.ClientHttp2Session;
  readonly #pingTimer: NodeJS.Timeout;
  #pingTimeout: NodeJS.Timeout | undefined;
  #reason: Error | undefined;

  private constructor(session: http2.ClientHttp2Session, authority: string, times: PingTimes) {
    this.authority = authority;
    this.#session = session;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#pingTimer = setInterval(() => this.#ping(times.pingTimeoutMs), times.pingIntervalMs);
    session.on('error', (error: Error) => {
      this.#reason ??= error;
    });
    // A polite goodbye lets open streams finish; Node takes no new ones by itself.
    session.on('goaway', (code: number) => {
      if (code !== http2.constants.NGHTTP2_NO_ERROR) {
        this.destroy(
          new SluiceError('not_reachable', `the server closed the connection (HTTP/2 error ${code})`),
        );
      }
    });
    session.once('close', () => {
      clearInterval(this.#pingTimer);
      clearTimeout(this.#pingTimeout);
      resolve(this.#reason);
    });
  }

  /**
   * Connects, within CONNECT_TIMEOUT_MS.
   * @param address http://host:port or https://host:port
   * @throws SluiceError('not_reachable') when nothing answers there.
   */
  static async open(
    address: string,
    tls: ClientTls | undefined,
    signal: AbortSignal,
    times: PingTimes = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
  ): Promise<Http2Link> {
    const authority = new URL(address).origin;
    const session = http2.connect(authority, {
      ...tls,
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { enablePush: false },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void =>
      reject(new SluiceError('not_reachable', `connecting to ${address} was given up`));
    const timer = setTimeout(
      () =>
        reject(new SluiceError('not_reachable', `${address} did not answer within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    );
    const onError = (error: Error): void => reject(unreachable(address, error));
    const onClose = (): void => reject(new SluiceError('not_reachable', `${address} closed the connection`));
    session.once('connect', () => resolve());
    // Stays for good: a session that fails after we gave up must not become an uncaught exception.
    session.on('error', onError);
    session.once('close', onClose);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      await promise;
      return new Http2Link(session, authority, times);
    } catch (error) {
      session.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      session.off('close', onClose);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Opens a stream; fails when the connection is gone. */
  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options?: Omit<http2.ClientSessionRequestOptions, 'signal'>,
  ): Promise<http2.ClientHttp2Stream> {
    if (this.#session.closed || this.#session.destroyed) {
      throw new SluiceError('not_reachable', `the connection to ${this.authority} is closed`);
    }
    return this.#session.request({ ...headers, ':method': method, ':path': path }, options);
  }

  /** Part of the transport's interface; pings do not need it. */
  notifyResponseByteRead(): void {
    // A received byte proves a live peer, but a ping every few seconds costs nothing and keeps one rule.
  }

  /** Closes at once; streams fail with the reason. */
  destroy(reason?: Error): void {
    this.#reason ??= reason;
    if (!this.#session.destroyed) this.#session.destroy();
  }

  #ping(timeoutMs: number): void {
    if (this.#pingTimeout !== undefined || this.#session.destroyed) return;
    this.#pingTimeout = setTimeout(() => {
      this.destroy(
        new SluiceError('not_reachable', `${this.authority} did not answer a ping within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    this.#session.ping((error) => {
      clearTimeout(this.#pingTimeout);
      this.#pingTimeout = undefined;
      if (error !== null) this.destroy(error);
    });
  }
}

/** What to tell of a connection that could not be made, or that the server ended because of a certificate. */
export function unreachable(address: string, error: Error): SluiceError {
  const problem = tlsProblem(error);
  if (problem !== undefined)
    return new SluiceError('not_reachable', `${address}: ${problem}`, { cause: error });
  const code = 'code' in error ? String(error.code) : error.message;
  return new SluiceError('not_reachable', `${address} is not reachable (${code})`, {
    cause: error,
    hint: 'Check that a server runs there and that the address and port are right.',
  });
}
