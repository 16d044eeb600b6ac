/** A TCP relay in front of a server that lets through so many bytes a second and holds few itself, as a slow uplink does. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the relay reads at once: what it holds, besides the kernel's first buffers. */
const CHUNK_BYTES: number = 16 * 1024;

export interface SlowRelay {
  readonly port: number;
  /** Connections that were made through it. */
  readonly connectionCount: number;
  close(): Promise<void>;
}

/**
 * @param targetPort of the server, on loopback
 * @param bytesPerSecond towards the server; the way back is not slowed
 */
export async function startSlowRelay(targetPort: number, bytesPerSecond: number): Promise<SlowRelay> {
  const sockets = new Set<Socket>();
  let connectionCount = 0;
  const server = createServer({ highWaterMark: CHUNK_BYTES }, (inner) => {
    connectionCount += 1;
    const outer = connect(targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    outer.pipe(inner);
    // Its end is the sockets' end.
    void slowly(inner, outer, bytesPerSecond).catch(() => inner.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    get connectionCount() {
      return connectionCount;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function slowly(from: Socket, to: Socket, bytesPerSecond: number): Promise<void> {
  let freeAtMs = performance.now();
  for await (const chunk of from) {
    if (!Buffer.isBuffer(chunk)) throw new Error('the socket is decoded as text');
    to.write(chunk);
    freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
    await sleep(Math.max(0, freeAtMs - performance.now()));
  }
}
