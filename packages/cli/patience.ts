/** Asks a busy server again when it said that it would have room, for a bounded time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { retryAfterMs } from './client.ts';

/** Who waits at a terminal would rather be told by then; a script decides itself. */
export const MAX_PATIENCE_MS = 30_000;

/**
 * @param call a request that may be made again
 * @param wait resolves after this many ms
 * @returns its answer
 * @throws what the call throws: that the server is busy once more waiting would pass MAX_PATIENCE_MS
 */
export async function patiently<T>(
  call: () => Promise<T>,
  wait: (ms: number) => Promise<unknown> = sleep,
): Promise<T> {
  for (let waitedMs = 0; ; ) {
    try {
      return await call();
    } catch (error) {
      const waitMs = retryAfterMs(error);
      if (waitMs === undefined || waitedMs + waitMs > MAX_PATIENCE_MS) throw error;
      if (process.stderr.isTTY)
        process.stderr.write(`The server is busy; asking again in ${Math.ceil(waitMs / 1000)} s.\n`);
      await wait(waitMs);
      waitedMs += waitMs;
    }
  }
}
