/**
 * Checks the configured servers before anything connects.
 */

import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';
import type { ClientTls } from './http2-link.ts';

/** One server as configured. */
export interface ServerAddress {
  /** http://host:port or https://host:port */
  readonly address: string;
  /** Asked for each connection, so that a renewed certificate is shown from the next one on. May throw. */
  readonly tls?: () => ClientTls | undefined;
  readonly token?: string;
}

/**
 * @throws SluiceError('config_invalid') for no server, more than `most`, an address that is no http(s) URL or has a
 * path, one address twice, or one beyond this machine that is not https.
 */
export function checkServers(servers: readonly ServerAddress[], most: number): void {
  if (servers.length === 0 || servers.length > most) {
    throw new SluiceError(
      'config_invalid',
      `${servers.length} servers are configured, 1..${most} are allowed`,
      {
        hint: 'List each server once.',
      },
    );
  }
  const origins = new Set<string>();
  for (const { address } of servers) {
    const url = URL.parse(address);
    if (
      url === null ||
      !['http:', 'https:'].includes(url.protocol) ||
      url.pathname !== '/' ||
      url.search !== ''
    ) {
      throw new SluiceError('config_invalid', `${address} is not the address of a server`, {
        hint: 'Write http://host:port or https://host:port.',
      });
    }
    if (origins.has(url.origin)) {
      throw new SluiceError('config_invalid', `${address} is configured twice`, {
        hint: 'List each server once.',
      });
    }
    origins.add(url.origin);
    if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
      throw new SluiceError('config_invalid', `logs and token for ${address} would travel in clear`, {
        hint: 'Use https:// for servers on other machines.',
      });
    }
  }
}
