/** Finds a TCP port to listen on. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Above the ports of well-known services, of which many stand below 20000. */
const LOWEST_DRAWN_PORT = 20_000;
const HIGHEST_DRAWN_PORT = 32_767;
/** When this many of 12,768 are taken in a row, something else is wrong. */
const MAX_ATTEMPTS = 100;

/**
 * @param preferred the port to take when it is free; 0 for any
 * @returns the preferred port, or one drawn at random; free at the moment of the answer
 * @throws Error when none is free, or the host is not one of this computer
 */
export async function pickPort(host: string, preferred: number): Promise<number> {
  return preferred !== 0 && (await isPortFree(host, preferred)) ? preferred : await drawnPort(host);
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

/**
 * A port below those that systems hand out by themselves (Linux from 32768, others from 49152): one of theirs could be given
 * to any connection until it is listened on, or while a program that listens on it starts anew.
 */
async function drawnPort(host: string): Promise<number> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const port = randomInt(LOWEST_DRAWN_PORT, HIGHEST_DRAWN_PORT + 1);
    if (await isPortFree(host, port)) return port;
  }
  throw new Error(`no free port found on ${host}`);
}
