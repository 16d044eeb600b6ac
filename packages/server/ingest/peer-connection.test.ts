import { once } from 'node:events';
import * as http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from './limits.ts';
import { PeerConnection } from './peer-connection.ts';

/** What a client of HTTP/2 says first: the preface, and empty settings. */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
/** A ping of its own, of 17 bytes. */
const PING: Buffer = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);

let server: http2.Http2Server;
let port: number;

beforeEach(async () => {
  server = http2.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  port = address.port;
});
afterEach(async () => {
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

async function accepted(): Promise<PeerConnection> {
  const sessions: http2.ServerHttp2Session[] = await once(server, 'session');
  const [session] = sessions;
  if (session === undefined) throw new Error('no session');
  return new PeerConnection(session, { handshakeTimeoutMs: 60_000, pingIntervalMs: PING_INTERVAL_MS });
}

/** A peer that answers no ping. */
async function startMute(): Promise<[Socket, PeerConnection]> {
  const coming = accepted();
  const socket = connect(port, '127.0.0.1');
  socket.write(PREFACE, 'latin1');
  socket.resume();
  return [socket, await coming];
}

test('a peer that lives is never called dead, however many ask at once', async () => {
  const coming = accepted();
  const client = http2.connect(`http://127.0.0.1:${port}`);
  const peer = await coming;
  const answers = await Promise.all(Array.from({ length: 30 }, () => peer.isAlive(30_000)));
  expect(answers).toEqual(answers.map(() => true));
  expect(await peer.isAlive(30_000)).toBe(true);
  const last = peer.isAlive(30_000);
  client.destroy();
  await peer.closed;
  await last;
  expect(await peer.isAlive(30_000)).toBe(false);
});

test('a peer that says something lives, whether or not it has come to the answer', async () => {
  const [socket, peer] = await startMute();
  const answer = peer.isAlive(200);
  socket.write(PING);
  expect(await answer).toBe(true);
  expect(await peer.isAlive(50)).toBe(false);
  socket.destroy();
});

test('a peer lives whose words lay unread because this program did not run', async () => {
  const [socket, peer] = await startMute();
  const helper = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const socket = require('node:net').connect(workerData.port, '127.0.0.1');
     socket.write(Buffer.from(workerData.preface, 'latin1'));
     socket.on('data', () => undefined);
     parentPort.on('message', () => setTimeout(() => socket.write(workerData.ping), 50));`,
    { eval: true, workerData: { port, preface: PREFACE, ping: PING } },
  );
  const distant = await accepted();
  helper.postMessage('speak');
  const answer = distant.isAlive(100);
  // Longer than the answer may take.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  expect(await answer).toBe(true);
  await helper.terminate();
  await distant.closed;
  socket.destroy();
  await peer.closed;
});

test('U19: a peer is destroyed only after it said nothing for the whole time', async () => {
  const [socket, peer] = await startMute();
  let nowMs = performance.now();
  const look = (): void => {
    nowMs += PING_INTERVAL_MS;
    peer.checkAlive(nowMs);
  };
  const looks = PING_TIMEOUT_MS / PING_INTERVAL_MS;
  for (let round = 0; round < 3 * looks; round += 1) {
    look();
    const answered: Promise<unknown> = once(socket, 'data');
    // The server answers it: then it has come.
    socket.write(PING);
    await answered;
  }
  let isClosed = false;
  void peer.closed.then(() => {
    isClosed = true;
  });
  look();
  for (let round = 1; round < looks; round += 1) look();
  expect(isClosed).toBe(false);
  look();
  await peer.closed;
});
