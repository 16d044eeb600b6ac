/** A TCP relay in front of a server, which can break connections, or lose what passes, as a failing network does. */
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** What is lost while the network is silent. */
export type Lost = 'everything' | 'answers';

export interface Relay {
  readonly port: number;
  /** Destroys every connection; new ones are taken. */
  breakConnections(): void;
  /** From now on nothing passes, or no answer: nobody is told, connections stay, new ones too. */
  silence(lost: Lost): void;
  /** Hands on what came meanwhile, as TCP does by sending again. */
  heal(): void;
  close(): Promise<void>;
}

/** @param targetPort of the server, on loopback */
export async function startRelay(targetPort: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const directions = new Set<{ readonly from: Socket; readonly to: Socket; readonly isAnswer: boolean }>();
  let lost: Lost | undefined;
  const set = (): void => {
    for (const { from, to, isAnswer } of directions) {
      from.unpipe(to);
      if (lost === undefined || (lost === 'answers' && !isAnswer)) from.pipe(to);
      else from.pause();
    }
  };
  const track = (from: Socket, to: Socket, isAnswer: boolean): void => {
    const direction = { from, to, isAnswer };
    sockets.add(from);
    directions.add(direction);
    from.on('error', () => to.destroy());
    from.once('close', () => {
      sockets.delete(from);
      directions.delete(direction);
      to.destroy();
    });
  };
  const server = createServer((inner) => {
    const outer = connect(targetPort, '127.0.0.1');
    track(inner, outer, false);
    track(outer, inner, true);
    set();
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
    silence: (what) => {
      lost = what;
      set();
    },
    heal: () => {
      lost = undefined;
      set();
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      breakConnections();
      await closed;
    },
  };
}
