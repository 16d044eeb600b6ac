/**
 * Who may ask: the bearer token, and the Host header on loopback. A page of any site can make a browser send requests
 * to 127.0.0.1, and can make a name of its own point there (DNS rebinding); such requests carry that site's name as
 * Host, so on loopback only names of this computer are answered.
 */
import type { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { SluiceError } from '@sluice/protocol/error';

/** True when only this computer reaches the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * @throws SluiceError `config_invalid` when the address is open to the network without token and TLS
 */
export function checkExposure(host: string, token: string | undefined, hasTls: boolean): void {
  if (isLoopback(host)) return;
  const missing = [...(token === undefined ? ['a token'] : []), ...(hasTls ? [] : ['TLS'])];
  if (missing.length === 0) return;
  throw new SluiceError(
    'config_invalid',
    `the API would listen on ${host} without ${missing.join(' and ')}`,
    {
      hint: 'Listen on 127.0.0.1 (and let a proxy with TLS forward to it), or configure a token and TLS.',
    },
  );
}

/**
 * @param header the Host header
 * @param names further names by which this server is known
 */
export function isAllowedHost(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined) return false;
  const name = /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header)?.[1]?.toLowerCase();
  return (
    name !== undefined && (LOOPBACK_NAMES.has(name) || names.some((known) => known.toLowerCase() === name))
  );
}

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** True when the Authorization header carries the token; takes the same time whatever is wrong. */
export function hasToken(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
