/**
 * What the server knows of one peer's HTTP/2 connection: who is there, and whether it lives.
 *
 * Invariants: a connection is one agent's; whoever asks whether the peer lives while a ping is on its way waits for its answer
 * (Node gives up a ping when too many are on their way, and a peer that is asked often would count as dead); a peer that sends
 * hears something at each look; no timer outlives the connection.
 */
import type * as http2 from 'node:http2';
import type { Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { type ContextKey, createContextKey } from '@connectrpc/connect';
import { PeerLife } from '@sluice/host/peer-life';
import { socketBytes } from '@sluice/host/socket-bytes';
import { certificateIdentity } from '../identity/agent-identity.ts';
import { GOODBYE_TIMEOUT_MS, PING_TIMEOUT_MS } from './limits.ts';

export interface PeerTimes {
  readonly handshakeTimeoutMs: number;
  /** Between two calls of {@link PeerConnection.checkAlive}. */
  readonly pingIntervalMs: number;
}

export class PeerConnection {
  readonly remoteAddress: string;
  /** Who the peer's certificate says that it is; undefined when it was asked for none. */
  readonly certificate: string | undefined;
  /** Resolves once the connection is gone. */
  readonly closed: Promise<void>;
  readonly #session: http2.ServerHttp2Session;
  readonly #handshakeTimer: NodeJS.Timeout;
  readonly #life: PeerLife;
  /** The ping that is on its way. */
  #question: Promise<boolean> | undefined;
  #hasControl = false;
  #heardAtMs: number = performance.now();

  constructor(session: http2.ServerHttp2Session, times: PeerTimes) {
    this.#session = session;
    this.#life = new PeerLife(PING_TIMEOUT_MS, times.pingIntervalMs, performance.now());
    // The session's socket refuses some accesses once destroyed; the address is read while it is whole.
    this.remoteAddress = session.destroyed ? 'unknown' : (session.socket.remoteAddress ?? 'unknown');
    this.certificate = session.destroyed ? undefined : certificateOf(session.socket);
    // A call that waits for its first message is told so by its own timer, which starts a little later.
    this.#handshakeTimer = setTimeout(() => this.leave(), times.handshakeTimeoutMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    session.once('close', () => {
      clearTimeout(this.#handshakeTimer);
      resolve();
    });
    if (session.destroyed) resolve();
  }

  /** A good Hello came: the connection may stay. */
  welcomed(): void {
    clearTimeout(this.#handshakeTimer);
  }

  /** False when the connection has its control stream already: it is one agent's. */
  takeControl(): boolean {
    const isFirst = !this.#hasControl;
    this.#hasControl = true;
    return isFirst;
  }

  /** Ends the connection: streams may finish for GOODBYE_TIMEOUT_MS, then the socket is destroyed. */
  leave(): void {
    if (this.#session.destroyed) return;
    this.#session.close();
    const timer = setTimeout(() => this.destroy(), GOODBYE_TIMEOUT_MS);
    void this.closed.then(() => clearTimeout(timer));
  }

  destroy(): void {
    if (!this.#session.destroyed) this.#session.destroy();
  }

  /**
   * To be called again and again: asks whether the peer lives, and destroys it when it showed no sign of life for
   * PING_TIMEOUT_MS.
   *
   * @param nowMs of a clock that only counts on: nobody must die because the computer's was set
   */
  checkAlive(nowMs: number): void {
    if (this.#session.destroyed || this.#session.closed) return;
    const bytes = socketBytes(this.#session.socket);
    const said = this.#life.hasReceived(bytes.receivedBytes);
    if (said) this.#heardAtMs = performance.now();
    if (this.#life.isDead(nowMs, bytes)) this.destroy();
    else if (this.#question === undefined) void this.#ask();
    // Its answer stands behind what it sends. The peer must hear meanwhile that the server takes that.
    else if (said) this.#session.ping(() => undefined);
  }

  /** Since the peer proved last that it lives. */
  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /**
   * Asks the peer at once; resolves with whether it answered in time, or said anything else: on a slow link the answer stands
   * behind what the peer had sent before.
   */
  async isAlive(timeoutMs: number): Promise<boolean> {
    if (this.#session.destroyed || this.#session.closed) return false;
    const { receivedBytes } = socketBytes(this.#session.socket);
    const late = new AbortController();
    const answer = await Promise.race([
      this.#ask(),
      sleep(timeoutMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    if (answer !== undefined) return answer;
    // A timer that is late because this program did not run comes before what came meanwhile is read.
    await setImmediate();
    return !this.#session.destroyed && socketBytes(this.#session.socket).receivedBytes > receivedBytes;
  }

  /** Resolves with the answer to the ping that is on its way, or to a new one; with false when the connection ends. */
  async #ask(): Promise<boolean> {
    this.#question ??= this.#ping().finally(() => {
      this.#question = undefined;
    });
    return await this.#question;
  }

  async #ping(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onClose = (): void => resolve(false);
    this.#session.once('close', onClose);
    this.#life.asked(socketBytes(this.#session.socket).handedBytes);
    this.#session.ping((error) => {
      this.#life.answered();
      if (error === null) this.#heardAtMs = performance.now();
      resolve(error === null);
    });
    const lives = await promise;
    this.#session.off('close', onClose);
    return lives;
  }
}

/** The identity in a certificate that the TLS layer has checked against the operator's authority. */
function certificateOf(socket: Socket | TLSSocket): string | undefined {
  // The socket of an HTTP/2 session is a proxy: it has the prototype of the real one, and not its members.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : certificateIdentity(certificate.subject, certificate.issuer);
}

/** The connection that a call came on, in its context values. */
export const PEER_CONNECTION: ContextKey<PeerConnection | undefined> = createContextKey<
  PeerConnection | undefined
>(undefined, { description: 'the HTTP/2 connection of the call' });
