/**
 * A TCP receiver that takes lines at a capped rate, as a collector at its limit does, and notes when ERROR lines arrive.
 *
 * Invariant: reading stops while the lines read are ahead of the rate, so that TCP holds the sender; every sender
 * shares the one rate.
 */
import { createServer, type Server, type Socket } from 'node:net';

const NEWLINE = 10;
const TOKEN = /incident\d{6}/g;

export class CappedReceiver {
  readonly #linesPerSecond: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** When the next bytes may be read. */
  #freeAtMs = 0;
  linesReceived = 0;
  /** By token, ms since 1970. */
  readonly arrivedMs: Map<string, number> = new Map();

  constructor(linesPerSecond: number) {
    this.#linesPerSecond = linesPerSecond;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens on loopback and returns the port. */
  async start(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port to receive on');
    return address.port;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // A shipper that is stopped resets its connection.
    socket.on('error', () => socket.destroy());
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const nowMs = Date.now();
      const text = rest + chunk.toString('latin1');
      for (const [token] of text.matchAll(TOKEN)) {
        if (!this.arrivedMs.has(token)) this.arrivedMs.set(token, nowMs);
      }
      rest = text.slice(text.lastIndexOf('\n') + 1);
      let lines = 0;
      for (const byte of chunk) if (byte === NEWLINE) lines += 1;
      this.linesReceived += lines;
      this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (lines / this.#linesPerSecond) * 1000;
      const waitMs = this.#freeAtMs - nowMs;
      if (waitMs <= 1) return;
      socket.pause();
      setTimeout(() => socket.resume(), waitMs);
    });
  }
}
