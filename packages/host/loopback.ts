/** Which addresses only this computer reaches. */
import { isIPv4 } from 'node:net';

/** @param host a name or an address, also as it stands in a URL (`[::1]`) */
export function isLoopbackHost(host: string): boolean {
  return (
    host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
  );
}
