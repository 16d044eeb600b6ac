import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { socketBytes, unconfirmedBytes } from './socket-bytes.ts';

/** More than the kernel holds for one connection. */
const MANY_BYTES: number = 32 * 1024 * 1024;

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Two ends of a connection; the second one reads nothing until it is resumed. */
async function startPair(): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted: Promise<Socket[]> = once(server, 'connection');
  const near = connect(address.port, '127.0.0.1');
  const [far] = await accepted;
  if (far === undefined) throw new Error('no connection');
  server.close();
  sockets.push(near, far);
  return [near, far];
}

test('tells what was handed over, what of it has gone, and what came', async () => {
  const [near, far] = await startPair();
  const written = new Promise((resolve) => near.write(Buffer.alloc(MANY_BYTES), resolve));
  await expect.poll(() => unconfirmedBytes(near)).toBeGreaterThan(0);
  const waiting = socketBytes(near);
  expect(waiting.handedBytes).toBe(MANY_BYTES);
  expect(waiting.goneBytes).toBeGreaterThan(0);
  expect(waiting.goneBytes).toBeLessThan(MANY_BYTES);
  far.resume();
  await written;
  expect(socketBytes(near)).toEqual({ receivedBytes: 0, handedBytes: MANY_BYTES, goneBytes: MANY_BYTES });
  await expect.poll(() => unconfirmedBytes(near)).toBe(0);
  await expect.poll(() => socketBytes(far).receivedBytes).toBe(MANY_BYTES);
});

test('a closed socket has nothing that waits', async () => {
  const [near] = await startPair();
  near.destroy();
  await once(near, 'close');
  const { handedBytes, goneBytes } = socketBytes(near);
  expect(goneBytes).toBe(handedBytes);
});
