import { once } from 'node:events';
import * as http2 from 'node:http2';
import { expect, test } from 'vitest';
import { PeerConnection } from './listener.ts';

test('a peer that lives is never called dead, however many ask at once', async () => {
  const server = http2.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted: Promise<http2.ServerHttp2Session[]> = once(server, 'session');
  const client = http2.connect(`http://127.0.0.1:${address.port}`);
  const [session] = await accepted;
  if (session === undefined) throw new Error('no session');
  const peer = new PeerConnection(session, 60_000);
  const answers = await Promise.all(Array.from({ length: 30 }, () => peer.isAlive(30_000)));
  expect(answers).toEqual(answers.map(() => true));
  expect(await peer.isAlive(30_000)).toBe(true);
  const last = peer.isAlive(30_000);
  client.destroy();
  await once(session, 'close');
  await last;
  expect(await peer.isAlive(30_000)).toBe(false);
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
