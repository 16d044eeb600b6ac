import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { LinkRelay, type LinkShape, MAX_QUEUED_BYTES } from './link-relay.ts';

/** What one read of Node brings at most. */
const READ_BYTES = 64 * 1024;
/** Timers may come a millisecond early. */
const TIMER_ERROR_MS = 2;

const endings: (() => void)[] = [];

afterEach(() => {
  for (const end of endings.splice(0)) end();
});

/** Listens behind a link. */
async function linkTo(shape: LinkShape, accept: (socket: Socket) => void): Promise<LinkRelay> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    endings.push(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const relay = await LinkRelay.start(address.port, shape);
  endings.push(() => {
    relay.stop();
    server.close();
  });
  return relay;
}

function connect(relay: LinkRelay): Socket {
  const socket = dial({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true });
  endings.push(() => socket.destroy());
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Bytes of which no two stretches are alike. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  return bytes;
}

const echo = (socket: Socket): void => {
  socket.pipe(socket);
};

test('every byte comes through both ways in order, and the end after the last', async () => {
  const relay = await linkTo({ bytesPerSecond: 2_000_000, roundTripMs: 10 }, echo);
  const sent = [pattern(300_001), pattern(70_000), pattern(1)];
  const received = await Promise.all(
    sent.map(async (bytes) => {
      const socket = connect(relay);
      socket.end(bytes);
      return await readAll(socket);
    }),
  );
  for (const [index, bytes] of sent.entries()) expect(received[index]?.equals(bytes)).toBe(true);
  expect([relay.up.bytes, relay.down.bytes]).toEqual([370_002, 370_002]);
});

test('a direction carries no more than its rate, however many connections share it', async () => {
  const bytesPerSecond = 100_000;
  const relay = await linkTo({ bytesPerSecond, roundTripMs: 100 }, (socket) => {
    socket.resume();
    socket.once('end', () => socket.end());
  });
  const startMs = performance.now();
  const sockets = [connect(relay), connect(relay)];
  for (const socket of sockets) socket.end(pattern(20_000));
  await Promise.all(sockets.map(readAll));
  const leastMs = (40_000 / bytesPerSecond) * 1000 + 100;
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(leastMs - TIMER_ERROR_MS);
});

test('both connections move at once', async () => {
  const relay = await linkTo({ bytesPerSecond: 200_000, roundTripMs: 0 }, echo);
  const [greedy, modest] = [connect(relay), connect(relay)];
  greedy.write(pattern(4_000_000));
  await once(greedy, 'data');
  modest.end(pattern(10));
  // The greedy one needs 20 s more.
  expect((await readAll(modest)).length).toBe(10);
  expect(relay.up.bytes).toBeLessThan(4_000_000);
});

test('what the link does not take stays with the sender', async () => {
  const relay = await linkTo({ bytesPerSecond: 20_000, roundTripMs: 0 }, (socket) => socket.resume());
  const socket = connect(relay);
  socket.write(pattern(30_000_000));
  await expect.poll(() => relay.up.bytes).toBeGreaterThan(10_000);
  expect(relay.up.mostQueuedBytes).toBeLessThanOrEqual(MAX_QUEUED_BYTES + READ_BYTES);
  expect(socket.writableLength).toBeGreaterThan(0);
});

test('a receiver that reads nothing holds up its own connection alone', async () => {
  const held: Socket[] = [];
  const relay = await linkTo({ bytesPerSecond: 50_000_000, roundTripMs: 0 }, (socket) => {
    if (held.length > 0) echo(socket);
    else held.push(socket.pause());
  });
  const deaf = connect(relay);
  const bytes = pattern(64_000_000);
  deaf.end(bytes);
  // Until the kernel and the relay hold all that they may.
  let carried = -1;
  while (carried < relay.up.bytes || carried <= 0) {
    carried = relay.up.bytes;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(carried).toBeLessThan(bytes.length);
  const other = connect(relay);
  other.end('there');
  expect(String(await readAll(other))).toBe('there');
  // And then it gets everything.
  const [socket] = held;
  if (socket === undefined) throw new Error('nothing was accepted');
  expect((await readAll(socket)).equals(bytes)).toBe(true);
});

test('an open link has neither limit nor delay, and keeps what is under way', async () => {
  const relay = await linkTo({ bytesPerSecond: 1000, roundTripMs: 100 }, echo);
  const socket = connect(relay);
  // Five hours at the link's rate.
  const bytes = pattern(18_000_000);
  socket.end(bytes);
  await expect.poll(() => relay.up.bytes).toBeGreaterThan(0);
  relay.openWide();
  expect((await readAll(socket)).equals(bytes)).toBe(true);
});

test.each(['near', 'far'])('a connection that the %s side breaks is broken on the other', async (side) => {
  const accepted: Socket[] = [];
  const relay = await linkTo({ bytesPerSecond: 100_000, roundTripMs: 0 }, (socket) => accepted.push(socket));
  const near = connect(relay);
  near.on('error', () => near.destroy());
  near.write('hello');
  await expect.poll(() => accepted.length).toBe(1);
  const [far] = accepted;
  if (far === undefined) throw new Error('nothing was accepted');
  const [breaks, sees] = side === 'near' ? [near, far] : [far, near];
  const closed = new Promise((resolve) => sees.resume().once('close', resolve));
  breaks.resetAndDestroy();
  await closed;
});
