/**
 * Which names a server on loopback answers to. A page of any site can make a browser send requests to 127.0.0.1, and can
 * make a name of its own point there (DNS rebinding); such requests carry that site's name as Host, so only names of this
 * computer are answered.
 */
import { isLoopbackHost } from '@sluice/host/loopback';

/**
 * @param header the Host header
 * @param names further names by which this server is known
 */
export function isAllowedHost(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined) return false;
  const name = /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header)?.[1]?.toLowerCase();
  return name !== undefined && (isLoopbackHost(name) || names.some((known) => known.toLowerCase() === name));
}
