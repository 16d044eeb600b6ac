import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { expect, test } from 'vitest';
import { LinkProcess } from './link-process.ts';

test('a link in a process of its own carries, tells what it carried, opens and ends', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const link = await LinkProcess.start(address.port, { bytesPerSecond: 1000, roundTripMs: 20 });
  try {
    const socket = dial({ port: link.port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    // A quarter of an hour at the link's rate.
    const bytes = Buffer.alloc(1_000_000, 'sluice');
    socket.write(bytes);
    await once(socket, 'data');
    expect((await link.report()).up.bytes).toBeLessThan(bytes.length);
    await link.openWide();
    await expect.poll(async () => (await link.report()).down.bytes).toBe(bytes.length);
    const closed = new Promise((resolve) => socket.resume().once('close', resolve));
    await link.stop();
    await closed;
  } finally {
    await link.stop();
    server.close();
  }
});
