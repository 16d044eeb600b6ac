/**
 * One HTTP/2 connection to one server, as ConnectRPC's transport wants it: opened once, proven alive by pings, never
 * opened again by itself (a new connection needs a new handshake, so the reconnect loop decides).
 *
 * Invariants: after `closed` resolved every request fails; a dead peer is noticed within two looks and PING_TIMEOUT_MS after
 * its last sign of life (@sluice/host/peer-life says what is one); no listener and no timer outlives the connection.
 */
import * as http2 from 'node:http2';
import { SluiceError } from '@sluice/base/error';
import { PeerLife } from '@sluice/host/peer-life';
import { socketBytes, unconfirmedBytes } from '@sluice/host/socket-bytes';
import { tlsProblem } from '@sluice/host/tls-problem';
import { CONNECT_TIMEOUT_MS, PING_INTERVAL_MS, PING_TIMEOUT_MS, SESSION_MEMORY_MB } from './limits.ts';

/** PEM texts. Without `ca` the system's authorities count; `cert` and `key` present this agent to the server. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** How often to look whether the peer lives, and how long it may show no sign of it, in milliseconds. */
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
  readonly #times: PingTimes;
  readonly #life: PeerLife;
  readonly #lookTimer: NodeJS.Timeout;
  #isLooking = false;
  #reason: Error | undefined;

  private constructor(session: http2.ClientHttp2Session, authority: string, times: PingTimes) {
    this.authority = authority;
    this.#session = session;
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#times = times;
    this.#life = new PeerLife(times.pingTimeoutMs, times.pingIntervalMs, performance.now());
    this.#lookTimer = setInterval(() => void this.#look(), times.pingIntervalMs);
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
      clearInterval(this.#lookTimer);
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

  /** Why the connection fails; known before its streams, and `closed`, say that it does. */
  get failure(): Error | undefined {
    return this.#reason;
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

  /** Part of the transport's interface. */
  notifyResponseByteRead(): void {
    // What the socket received is counted there.
  }

  /** Closes at once; streams fail with the reason. */
  destroy(reason?: Error): void {
    this.#reason ??= reason;
    if (!this.#session.destroyed) this.#session.destroy();
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#session.destroyed) return;
    this.#isLooking = true;
    const { socket } = this.#session;
    const before = socketBytes(socket);
    // What the kernel holds is of interest only when nothing else shows that the peer lives.
    const isInDoubt = this.#life.isAsked && !this.#life.hasReceived(before.receivedBytes);
    const unconfirmed = isInDoubt ? await unconfirmedBytes(socket) : 0;
    this.#isLooking = false;
    if (this.#session.destroyed) return;
    // What was handed over while the kernel was asked may be in its figure, or not.
    const { receivedBytes } = socketBytes(socket);
    const goneBytes = Math.max(0, before.goneBytes - unconfirmed);
    if (this.#life.isDead(performance.now(), { receivedBytes, goneBytes })) {
      const { pingTimeoutMs } = this.#times;
      this.destroy(
        new SluiceError(
          'not_reachable',
          `${this.authority} did not answer a ping within ${pingTimeoutMs} ms`,
        ),
      );
    } else if (!this.#life.isAsked) this.#ping();
  }

  #ping(): void {
    this.#life.asked(socketBytes(this.#session.socket).handedBytes);
    this.#session.ping((error) => {
      this.#life.answered();
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
