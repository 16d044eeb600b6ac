/** A TCP relay in front of a server, whose connections can be broken as a failing network breaks them. */
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export interface Relay {
  readonly port: number;
  /** Destroys every connection; new ones are taken. */
  breakConnections(): void;
  close(): Promise<void>;
}

export async function startRelay(targetPort: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket, peer: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => peer.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      peer.destroy();
    });
  };
  const server = createServer((inner) => {
    const outer = connect(targetPort, '127.0.0.1');
    track(inner, outer);
    track(outer, inner);
    inner.pipe(outer);
    outer.pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const breakConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    breakConnections,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      breakConnections();
      await closed;
    },
  };
}
