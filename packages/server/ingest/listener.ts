/**
 * The socket side of the ingest: an HTTP/2 server (clear or TLS) that carries ConnectRPC, and watches every
 * connection.
 *
 * Invariants: no peer crashes or hangs it, whatever bytes come; a connection that has not said a good Hello within
 * HANDSHAKE_TIMEOUT_MS is destroyed; a peer that does not answer pings is destroyed within PING_INTERVAL_MS +
 * PING_TIMEOUT_MS; `close` leaves no socket and no timer.
 */

import * as http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import type { ConnectRouter, ContextKey, Interceptor } from '@connectrpc/connect';
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { defined } from '@sluice/base/defined';
import { messageOf, SluiceError } from '@sluice/base/error';
import type { Logger } from 'pino';
import { PRINCIPAL } from '../access/context.ts';
import type { Doorkeeper } from '../access/doorkeeper.ts';
import { certificateIdentity } from '../identity/agent-identity.ts';
import { requestFaultInterceptor } from '../request-faults.ts';
import { HandshakeComplaints } from './handshake-complaints.ts';
import {
  CONNECTION_WINDOW_BYTES,
  GOODBYE_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  MAX_FRAME_BYTES,
  MAX_STREAMS_PER_CONNECTION,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  SESSION_MEMORY_MB,
  STREAM_WINDOW_BYTES,
} from './limits.ts';

/** PEM texts. With `ca` agents must present a certificate that it signed. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly tls?: ServerTls;
  readonly maxConnections: number;
  readonly handshakeTimeoutMs?: number;
  readonly logger: Logger;
  readonly doorkeeper: Doorkeeper;
  readonly routes: (router: ConnectRouter) => void;
}

/** One peer's HTTP/2 connection. */
export class PeerConnection {
  readonly remoteAddress: string;
  readonly #session: http2.ServerHttp2Session;
  readonly #handshakeTimer: NodeJS.Timeout;
  /** Who the peer's certificate says that it is; undefined when it was asked for none. */
  readonly certificate: string | undefined;
  #pingSentAtMs: number | undefined;
  /** The ping of {@link isAlive} that is on its way. */
  #question: Promise<boolean> | undefined;
  #hasControl = false;
  #heardAtMs: number = performance.now();

  constructor(session: http2.ServerHttp2Session, handshakeTimeoutMs: number) {
    this.#session = session;
    // The session's socket refuses some accesses once destroyed; the address is read while it is whole.
    this.remoteAddress = session.destroyed ? 'unknown' : (session.socket.remoteAddress ?? 'unknown');
    this.certificate = session.destroyed ? undefined : certificateOf(session.socket);
    this.#handshakeTimer = setTimeout(() => this.destroy(), handshakeTimeoutMs);
    session.once('close', () => clearTimeout(this.#handshakeTimer));
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
    this.#session.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    if (!this.#session.destroyed) this.#session.destroy();
  }

  /**
   * Asks whether the peer lives; destroys it when an earlier question was not answered in time.
   *
   * @param nowMs of a clock that only counts on: nobody must die because the computer's was set
   */
  checkAlive(nowMs: number): void {
    if (this.#session.destroyed || this.#session.closed) return;
    if (this.#pingSentAtMs !== undefined) {
      if (nowMs - this.#pingSentAtMs >= PING_TIMEOUT_MS) this.destroy();
      return;
    }
    this.#pingSentAtMs = nowMs;
    this.#session.ping((error) => {
      this.#pingSentAtMs = undefined;
      if (error === null) this.#heardAtMs = performance.now();
    });
  }

  /** Since the peer proved last that it lives. */
  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /**
   * Asks the peer at once; resolves with whether it answered in time. Who asks while a question is on its way waits for its
   * answer: Node gives up a ping when ten are on their way, and a peer that is asked often would count as dead.
   */
  async isAlive(timeoutMs: number): Promise<boolean> {
    if (this.#session.destroyed || this.#session.closed) return false;
    this.#question ??= this.#ask().finally(() => {
      this.#question = undefined;
    });
    const late = new AbortController();
    const answer = await Promise.race([
      this.#question,
      sleep(timeoutMs, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    return answer;
  }

  /** Resolves with the answer, or with false when the connection ends. */
  async #ask(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onClose = (): void => resolve(false);
    this.#session.once('close', onClose);
    this.#session.ping((error) => {
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

export interface Listener {
  readonly port: number;
  /** Shows this certificate from the next connection on. Throws what OpenSSL says of one that cannot be used. */
  renewTls(tls: ServerTls): void;
  readonly connectionCount: number;
  /** Stops listening and destroys every connection. */
  close(): Promise<void>;
}

/**
 * Listens.
 * @throws SluiceError('address_in_use') naming host:port; SluiceError('config_invalid') for an address or key that
 * cannot be used.
 */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { logger } = options;
  const peers = new Map<http2.Http2Session, PeerConnection>();
  const sockets = new Set<Socket>();
  const server = createServer(options);
  server.maxConnections = options.maxConnections;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    // Errors of a socket before its HTTP/2 session exists belong to nobody else.
    socket.on('error', (error) => logger.debug({ error: error.message }, 'socket failed'));
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('drop', () =>
    logger.warn({ maxConnections: options.maxConnections }, 'too many connections, one dropped'),
  );
  server.on('session', (session: http2.ServerHttp2Session) => {
    session.on('error', (error: Error) => logger.debug({ error: error.message }, 'connection failed'));
    if (session.destroyed) return;
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    peers.set(session, new PeerConnection(session, options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS));
    session.once('close', () => peers.delete(session));
  });
  server.on('sessionError', (error: Error) => logger.debug({ error: error.message }, 'connection failed'));
  const complaints = new HandshakeComplaints(logger);
  server.on('tlsClientError', (error: Error, socket: Socket) => {
    complaints.failed(error, socket.remoteAddress);
    socket.destroy();
  });
  server.on('unknownProtocol', (socket: Socket) => socket.destroy());
  server.on('request', requestHandler(options, peers));
  await listen(server, options);
  const pings = setInterval(() => {
    const nowMs = performance.now();
    for (const peer of peers.values()) peer.checkAlive(nowMs);
  }, PING_INTERVAL_MS);
  const address = server.address();
  return {
    port: isAddressInfo(address) ? address.port : options.port,
    get connectionCount() {
      return peers.size;
    },
    renewTls: (tls) => {
      if ('setSecureContext' in server) server.setSecureContext(secureContext(tls));
    },
    close: async () => {
      clearInterval(pings);
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      for (const peer of peers.values()) peer.destroy();
      for (const socket of sockets) socket.destroy();
      await promise;
    },
  };
}

function secureContext({ cert, key, ca }: ServerTls): SecureContextOptions {
  return { cert, key, ...defined({ ca }), minVersion: 'TLSv1.3' };
}

function createServer(options: ListenerOptions): http2.Http2Server | http2.Http2SecureServer {
  const sessionOptions: http2.ServerOptions = {
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: {
      enablePush: false,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxFrameSize: MAX_FRAME_BYTES,
      maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION,
    },
  };
  if (options.tls === undefined) return http2.createServer(sessionOptions);
  try {
    return http2.createSecureServer({
      ...sessionOptions,
      ...secureContext(options.tls),
      requestCert: options.tls.ca !== undefined,
      rejectUnauthorized: options.tls.ca !== undefined,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  } catch (error) {
    throw new SluiceError(
      'config_invalid',
      `the uplink's certificate or key cannot be used: ${messageOf(error)}`,
      {
        cause: error,
        hint: 'Give a PEM certificate chain and its PEM private key.',
      },
    );
  }
}

function requestHandler(
  options: ListenerOptions,
  peers: ReadonlyMap<http2.Http2Session, PeerConnection>,
): (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void {
  const router = createConnectRouter({
    grpcWeb: false,
    acceptCompression: [],
    interceptors: [doorInterceptor(options.doorkeeper), requestFaultInterceptor],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const { stream } = response;
    stream.on('error', (error: Error) => options.logger.debug({ error: error.message }, 'stream failed'));
    const handler = handlers.get(request.url);
    if (handler === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    // An answered call whose caller goes on sending is over: nobody reads that any more.
    response.once('finish', () => {
      if (!request.readableEnded) stream.close(http2.constants.NGHTTP2_NO_ERROR);
    });
    const session = request.stream.session;
    const peer = session === undefined ? undefined : peers.get(session);
    const answer = async (): Promise<void> => {
      const contextValues = createContextValues().set(PEER_CONNECTION, peer);
      const universal = await handler(
        universalRequestFromNodeRequest(request, response, undefined, contextValues),
      );
      await universalResponseToNodeResponse(universal, response);
    };
    answer().catch((error: unknown) => {
      options.logger.debug({ error: messageOf(error) }, 'call failed');
      if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
  };
}

/** The door: no call of any method is answered whose caller is not let in. */
function doorInterceptor(doorkeeper: Doorkeeper): Interceptor {
  return (next) => async (request) => {
    const visitor = doorkeeper.visitor(request.header.get('authorization'));
    if (visitor === undefined) throw new ConnectError('the token is missing or wrong', Code.Unauthenticated);
    request.contextValues.set(PRINCIPAL, visitor);
    return await next(request);
  };
}

async function listen(
  server: http2.Http2Server | http2.Http2SecureServer,
  options: ListenerOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options.port, options.host, () => resolve());
  try {
    await promise;
  } catch (error) {
    const place = `${options.host}:${options.port}`;
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new SluiceError('address_in_use', `the uplink cannot listen on ${place}: the address is in use`, {
        cause: error,
        hint: 'Another server may be running; stop it or choose another port.',
      });
    }
    throw new SluiceError('config_invalid', `the uplink cannot listen on ${place}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Give an address of this machine and a port that this user may use.',
    });
  } finally {
    server.off('error', reject);
  }
  server.on('error', (error: Error) => options.logger.error({ error: error.message }, 'listener failed'));
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return address !== null && typeof address !== 'string';
}
