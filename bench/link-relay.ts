/**
 * A link between agents and a server, in user space: a TCP relay that lets a direction carry so many bytes a second and
 * hands each byte on a fixed time later. It loses nothing.
 *
 * Invariants: order is kept; all connections of a direction share its rate and take turns; of each connection's direction
 * at most MAX_QUEUED_BYTES and what one read brings wait here, and what comes after stays with the sender, so that it
 * feels the link; what is under way is what the rate brings in the delay. What the kernel holds on either side comes on
 * top, and Node has no way to bound it (own-network.ts has).
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { LinkLine } from './link-line.ts';

/** Waiting for their turn, of one connection and direction; then reading pauses. A read brings 64 KiB at most. */
export const MAX_QUEUED_BYTES: number = 16 * 1024;
/** What the far socket may hold for a receiver that does not read; then its connection waits. */
const MAX_UNREAD_BYTES: number = 64 * 1024;
/** Under way in a direction, which only matters to a link without a rate: more than any window here times any delay. */
const MAX_FLYING_BYTES: number = 64 * 1024 * 1024;
/** A packet of Ethernet: what one connection sends before another has its turn on a slow link. */
const PACKET_BYTES = 1500;
/** On a fast one a turn is as long as timers are fine. */
const TURN_MS = 2;

export interface LinkShape {
  /** In each direction; Infinity for a link without a limit. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
}

/** Bytes that a direction has taken in all, and the most that has waited for its turn in one connection. */
export interface Carried {
  readonly bytes: number;
  readonly mostQueuedBytes: number;
}

export class LinkRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #up: Direction;
  readonly #down: Direction;

  private constructor(port: number, { bytesPerSecond, roundTripMs }: LinkShape) {
    this.#up = new Direction(bytesPerSecond, roundTripMs / 2);
    this.#down = new Direction(bytesPerSecond, roundTripMs / 2);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = dial({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
        socket.on('error', () => {
          near.resetAndDestroy();
          far.resetAndDestroy();
        });
      }
      this.#up.join(near, far);
      this.#down.join(far, near);
    });
  }

  /** Listens on loopback; what comes goes to `port` there, and back. */
  static async start(port: number, shape: LinkShape): Promise<LinkRelay> {
    const relay = new LinkRelay(port, shape);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    relay.#server.once('error', reject);
    relay.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port for the relay');
    return address.port;
  }

  /** Towards the server. */
  get up(): Carried {
    return this.#up;
  }

  get down(): Carried {
    return this.#down;
  }

  /** From now on without limit and delay. */
  openWide(): void {
    this.#up.openWide();
    this.#down.openWide();
  }

  stop(): void {
    this.#server.close();
    for (const direction of [this.#up, this.#down]) direction.stop();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Chunk {
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** One connection in one direction. */
interface Lane {
  readonly from: Socket;
  readonly to: Socket;
  queue: Chunk[];
  queuedBytes: number;
  /** The sender has said all. */
  ended: boolean;
  /** The receiver was told so, after it got all. */
  finished: boolean;
}

interface Flying {
  readonly atMs: number;
  readonly lane: Lane;
  /** Undefined: the end of the stream. */
  readonly piece: Buffer | undefined;
}

class Direction implements Carried {
  #line: LinkLine;
  /** In the order of their turns. */
  readonly #lanes = new Set<Lane>();
  #flying: Flying[] = [];
  #flyingBytes = 0;
  #sendTimer: NodeJS.Timeout | undefined;
  #landTimer: NodeJS.Timeout | undefined;
  bytes = 0;
  mostQueuedBytes = 0;

  constructor(bytesPerSecond: number, oneWayMs: number) {
    this.#line = new LinkLine(bytesPerSecond, oneWayMs);
  }

  join(from: Socket, to: Socket): void {
    const lane: Lane = { from, to, queue: [], queuedBytes: 0, ended: false, finished: false };
    this.#lanes.add(lane);
    from.on('data', (chunk: Buffer) => {
      lane.queue.push({ atMs: performance.now(), bytes: chunk });
      lane.queuedBytes += chunk.length;
      this.mostQueuedBytes = Math.max(this.mostQueuedBytes, lane.queuedBytes);
      this.#send();
      if (lane.queuedBytes >= MAX_QUEUED_BYTES) from.pause();
    });
    from.once('end', () => {
      lane.ended = true;
      this.#send();
    });
    // A connection that broke breaks on the other side as well, and what was under way is lost with it.
    from.once('close', () => {
      if (!lane.ended) to.resetAndDestroy();
    });
    to.on('drain', () => this.#send());
    to.once('close', () => {
      this.#lanes.delete(lane);
      if (!lane.finished) from.resetAndDestroy();
    });
  }

  openWide(): void {
    this.#line = new LinkLine(Number.POSITIVE_INFINITY, 0);
    clearTimeout(this.#sendTimer);
    this.#sendTimer = undefined;
    this.#send();
  }

  stop(): void {
    clearTimeout(this.#sendTimer);
    clearTimeout(this.#landTimer);
    this.#lanes.clear();
    this.#flying = [];
  }

  /** Puts on the line what it takes by now. */
  #send(): void {
    if (this.#sendTimer !== undefined) return;
    for (;;) {
      const lane = this.#flyingBytes < MAX_FLYING_BYTES ? this.#next() : undefined;
      // Who joins, drains or lands calls again.
      if (lane === undefined) break;
      const nowMs = performance.now();
      const waitMs = this.#line.freeAtMs - nowMs;
      if (waitMs > 0) {
        this.#sendTimer = setTimeout(() => {
          this.#sendTimer = undefined;
          this.#send();
        }, waitMs);
        break;
      }
      this.#lanes.delete(lane);
      const taken = takePiece(lane, Math.max(PACKET_BYTES, this.#line.bytesIn(TURN_MS)));
      const atMs = this.#line.carry(taken?.bytes.length ?? 0, taken?.atMs ?? nowMs, nowMs);
      this.#flying.push({ lane, piece: taken?.bytes, atMs });
      if (taken !== undefined) {
        this.#lanes.add(lane);
        this.bytes += taken.bytes.length;
        this.#flyingBytes += taken.bytes.length;
        if (lane.queuedBytes < MAX_QUEUED_BYTES && lane.from.isPaused()) lane.from.resume();
      }
    }
    this.#awaitLanding();
  }

  #next(): Lane | undefined {
    return this.#lanes
      .values()
      .find((lane) => lane.to.writableLength < MAX_UNREAD_BYTES && (lane.queuedBytes > 0 || lane.ended));
  }

  #awaitLanding(): void {
    const first = this.#flying[0];
    if (first === undefined || this.#landTimer !== undefined) return;
    this.#landTimer = setTimeout(
      () => {
        this.#landTimer = undefined;
        this.#land();
      },
      Math.max(0, first.atMs - performance.now()),
    );
  }

  /** Hands on what has arrived. */
  #land(): void {
    const nowMs = performance.now();
    const inAir = this.#flying.findIndex(({ atMs }) => atMs > nowMs);
    const landed = this.#flying.splice(0, inAir === -1 ? this.#flying.length : inAir);
    for (const { lane, piece } of landed) {
      this.#flyingBytes -= piece?.length ?? 0;
      if (lane.to.destroyed) continue;
      lane.finished = piece === undefined;
      if (piece === undefined) lane.to.end();
      else lane.to.write(piece);
    }
    this.#awaitLanding();
    this.#send();
  }
}

/** @returns at most so many bytes from the front; undefined when only the end is left */
function takePiece(lane: Lane, mostBytes: number): Chunk | undefined {
  const first = lane.queue.shift();
  if (first === undefined) return undefined;
  const bytes = first.bytes.subarray(0, mostBytes);
  if (bytes.length < first.bytes.length) {
    lane.queue.unshift({ ...first, bytes: first.bytes.subarray(bytes.length) });
  }
  lane.queuedBytes -= bytes.length;
  return { ...first, bytes };
}
