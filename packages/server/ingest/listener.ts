/**
 * The socket side of the ingest: an HTTP/2 server (clear or TLS) that carries ConnectRPC, and watches every
 * connection.
 *
 * Invariants: no peer crashes or hangs it, whatever bytes come; a connection that has not said a good Hello within
 * HANDSHAKE_TIMEOUT_MS is ended; a peer is destroyed within two PING_INTERVAL_MS and PING_TIMEOUT_MS after its last sign of
 * life; `close` leaves no socket and no timer.
 */

import * as http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { Code, ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { defined } from '@sluice/base/defined';
import { messageOf, SluiceError } from '@sluice/base/error';
import type { Logger } from 'pino';
import { PRINCIPAL } from '../access/context.ts';
import type { Doorkeeper } from '../access/doorkeeper.ts';
import { requestFaultInterceptor } from '../request-faults.ts';
import { HandshakeComplaints } from './handshake-complaints.ts';
import {
  CONNECTION_WINDOW_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  MAX_FRAME_BYTES,
  MAX_OUTSTANDING_PINGS,
  MAX_STREAMS_PER_CONNECTION,
  PING_INTERVAL_MS,
  SESSION_MEMORY_MB,
  STREAM_WINDOW_BYTES,
} from './limits.ts';
import { PEER_CONNECTION, PeerConnection } from './peer-connection.ts';

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
  readonly pingIntervalMs?: number;
  readonly logger: Logger;
  readonly doorkeeper: Doorkeeper;
  readonly routes: (router: ConnectRouter) => void;
}

export interface Listener {
  readonly port: number;
  /** Shows this certificate from the next connection on. Throws what OpenSSL says of one that cannot be used. */
  renewTls(tls: ServerTls): void;
  readonly connectionCount: number;
  /** Takes no new connections and no new calls; calls that are under way may end. */
  leave(): void;
  /** Stops listening and destroys every connection. */
  close(): Promise<void>;
}

/**
 * Listens.
 * @throws SluiceError('address_in_use') naming host:port; SluiceError('config_invalid') for an address or key that
 * cannot be used.
 */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { logger, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS, pingIntervalMs = PING_INTERVAL_MS } = options;
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
    peers.set(session, new PeerConnection(session, { handshakeTimeoutMs, pingIntervalMs }));
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
  const { promise: closed, resolve: isClosed } = Promise.withResolvers<void>();
  server.once('close', isClosed);
  const pings = setInterval(() => {
    const nowMs = performance.now();
    for (const peer of peers.values()) peer.checkAlive(nowMs);
  }, pingIntervalMs);
  const address = server.address();
  return {
    port: isAddressInfo(address) ? address.port : options.port,
    get connectionCount() {
      return peers.size;
    },
    renewTls: (tls) => {
      if ('setSecureContext' in server) server.setSecureContext(secureContext(tls));
    },
    leave: () => void server.close(),
    close: async () => {
      clearInterval(pings);
      if (server.listening) server.close();
      for (const peer of peers.values()) peer.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function secureContext({ cert, key, ca }: ServerTls): SecureContextOptions {
  return { cert, key, ...defined({ ca }), minVersion: 'TLSv1.3' };
}

function createServer(options: ListenerOptions): http2.Http2Server | http2.Http2SecureServer {
  const sessionOptions: http2.ServerOptions = {
    maxSessionMemory: SESSION_MEMORY_MB,
    maxOutstandingPings: MAX_OUTSTANDING_PINGS,
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
