/**
 * Takes a renewed certificate while the server runs: whoever renews it replaces the files, and need not tell anybody.
 *
 * Invariant: what cannot be used (a key that does not fit yet, half a file) changes nothing, is said once, and is looked
 * at again.
 */

import { messageOf } from '@sluice/base/error';
import type { Logger } from 'pino';
import { readServerTls } from './tls.ts';

/** Nobody waits long to see a new certificate, and three small files cost nothing. */
const LOOK_INTERVAL_MS = 10_000;

type TlsSettings = Parameters<typeof readServerTls>[0];
type ServerTls = NonNullable<ReturnType<typeof readServerTls>>;

/**
 * Reads the files again and again, until it is disposed.
 *
 * @param settings the files
 * @param shown what stood in them when the server started
 * @param take gets what stands in them after each change; may throw
 */
export function renewServerTls(
  settings: TlsSettings,
  shown: ServerTls,
  take: (tls: ServerTls) => void,
  logger: Logger,
  intervalMs: number = LOOK_INTERVAL_MS,
): Disposable {
  let current = shown;
  let complaint: string | undefined;
  const look = (): void => {
    try {
      const read = readServerTls(settings);
      complaint = undefined;
      if (read === undefined || isSame(read, current)) return;
      take(read);
      current = read;
      logger.info('certificates were renewed: new connections see them');
    } catch (error) {
      const message = messageOf(error);
      if (message !== complaint) logger.warn({ error: message }, 'renewed certificates cannot be used yet');
      complaint = message;
    }
  };
  const timer = setInterval(look, intervalMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function isSame(one: ServerTls, other: ServerTls): boolean {
  return one.cert === other.cert && one.key === other.key && one.ca === other.ca;
}
