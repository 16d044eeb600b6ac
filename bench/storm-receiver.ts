/**
 * A TCP receiver that takes lines at a capped rate, as a collector at its limit does, and notes when ERROR lines arrive.
 *
 * Invariants: while the lines read are ahead of the rate nothing is read, so that TCP holds the senders; all connections
 * share the one rate, and those with something to read take turns (rsyslog opens many).
 */
import { createServer, type Server, type Socket } from 'node:net';

const NEWLINE = 10;
const TOKEN = /incident\d{6}/g;

export class CappedReceiver {
  readonly #linesPerSecond: number;
  readonly #server: Server;
  /** In the order of their turns, with the line that each has begun. */
  readonly #sockets = new Map<Socket, string>();
  /** When the next bytes may be read. */
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
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
    clearTimeout(this.#timer);
    for (const socket of this.#sockets.keys()) socket.destroy();
    await promise;
  }

  #accept(socket: Socket): void {
    this.#sockets.set(socket, '');
    socket.once('close', () => this.#sockets.delete(socket));
    // A shipper that is stopped resets its connection.
    socket.on('error', () => socket.destroy());
    socket.on('readable', () => {
      // The end of a stream without anything left is only seen by reading.
      if (socket.readableLength === 0) socket.read();
      else this.#read();
    });
  }

  /** Reads a piece of each connection in turn, as long as the rate allows. */
  #read(): void {
    if (this.#timer !== undefined) return;
    for (;;) {
      const nowMs = Date.now();
      const waitMs = this.#freeAtMs - nowMs;
      if (waitMs >= 1) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#read();
        }, waitMs);
        return;
      }
      const socket = this.#sockets.keys().find(({ readableLength }) => readableLength > 0);
      if (socket === undefined) return;
      // The stream has no encoding, so this is what it holds.
      const chunk = socket.read() as Buffer;
      const text = (this.#sockets.get(socket) ?? '') + chunk.toString('latin1');
      this.#sockets.delete(socket);
      this.#sockets.set(socket, text.slice(text.lastIndexOf('\n') + 1));
      this.#take(chunk, text, nowMs);
    }
  }

  #take(chunk: Buffer, text: string, nowMs: number): void {
    for (const [token] of text.matchAll(TOKEN)) {
      if (!this.arrivedMs.has(token)) this.arrivedMs.set(token, nowMs);
    }
    let lines = 0;
    for (const byte of chunk) if (byte === NEWLINE) lines += 1;
    this.linesReceived += lines;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (lines / this.#linesPerSecond) * 1000;
  }
}
