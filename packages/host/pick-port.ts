/** Finds a TCP port to listen on. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * @param preferred the port to take when it is free; 0 for any
 * @returns the preferred port, or one that the system chose; free at the moment of the answer
 */
export async function pickPort(host: string, preferred: number): Promise<number> {
  return preferred !== 0 && (await isPortFree(host, preferred)) ? preferred : await systemPort(host);
}

/** @returns whether nothing listens on the port now */
export async function isPortFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    server.close();
  }
}

async function systemPort(host: string): Promise<number> {
  const server = createServer();
  server.listen({ host, port: 0 });
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error(`no port on ${host}`);
  return address.port;
}
