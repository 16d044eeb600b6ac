/**
 * Checks the configured servers before anything connects.
 */
import { isIPv4 } from 'node:net';
import { SluiceError } from '@sluice/protocol/error';
import type { ServerAddress } from './connection.ts';

/**
 * @throws SluiceError('config_invalid') for no server, more than `most`, an address that is no http(s) URL or has a
 * path, one address twice, or a token that would travel in clear beyond this machine.
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
  for (const { address, token } of servers) {
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
    if (token !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)) {
      throw new SluiceError('config_invalid', `the token for ${address} would travel in clear`, {
        hint: 'Use https:// for servers on other machines.',
      });
    }
  }
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
  );
}
