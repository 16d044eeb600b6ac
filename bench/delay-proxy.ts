/**
 * A TCP proxy that hands every byte on a fixed time later, both ways: a long line without any loss.
 *
 * Invariants: order is kept; at most MAX_HELD_BYTES of a direction wait, more than any window here times any delay.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';

const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Listens on loopback; what comes goes to `port` `oneWayMs` later, and back likewise. */
export async function startDelayProxy(
  port: number,
  oneWayMs: number,
): Promise<{ port: number; stop(): void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = dial({ port, host: '127.0.0.1', noDelay: true });
    near.setNoDelay(true);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => {
        near.destroy();
        far.destroy();
      });
    }
    handOn(near, far, oneWayMs);
    handOn(far, near, oneWayMs);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port for the proxy');
  return {
    port: address.port,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function handOn(from: Socket, to: Socket, delayMs: number): void {
  const held: { readonly atMs: number; readonly chunk: Buffer }[] = [];
  let heldBytes = 0;
  let isTimed = false;
  const ringIn = (ms: number): void => {
    isTimed = true;
    setTimeout(flush, ms);
  };
  const flush = (): void => {
    isTimed = false;
    const nowMs = performance.now();
    to.cork();
    for (let first = held[0]; first !== undefined && first.atMs <= nowMs; first = held[0]) {
      held.shift();
      heldBytes -= first.chunk.length;
      if (!to.destroyed) to.write(first.chunk);
    }
    to.uncork();
    if (heldBytes < MAX_HELD_BYTES) from.resume();
    const next = held[0];
    if (next !== undefined) ringIn(next.atMs - nowMs);
  };
  from.on('data', (chunk: Buffer) => {
    held.push({ atMs: performance.now() + delayMs, chunk });
    heldBytes += chunk.length;
    if (heldBytes >= MAX_HELD_BYTES) from.pause();
    if (!isTimed) ringIn(delayMs);
  });
  from.once('close', () => setTimeout(() => to.destroy(), delayMs));
}
