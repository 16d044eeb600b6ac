/**
 * Who may ask the store at all. Its only clients are servers and people at a shell, so that whatever a browser marks as
 * its own is refused, and on loopback a name that is not of this computer: a page of any site can make a browser send
 * requests here, and can make a name of its own point here (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http';
import { isLoopbackHost } from '@sluice/host/loopback';
import type { StoreEndpoint } from './endpoint.ts';

/** What a browser adds to requests of a page; programs send none of them (but Node's fetch, a `Sec-Fetch-Mode`). */
const BROWSER_HEADERS = ['origin', 'referer', 'sec-fetch-site'] as const;

export interface Refusal {
  readonly status: 403 | 421;
  readonly text: string;
}

/** @returns why the request is refused before anything else is looked at; undefined when it is not */
export function refusalOf(
  request: IncomingMessage,
  endpoint: StoreEndpoint | undefined,
): Refusal | undefined {
  const { headers } = request;
  const mark = BROWSER_HEADERS.find((name) => headers[name] !== undefined);
  if (mark !== undefined)
    return {
      status: 403,
      text: `The store does not answer pages in browsers (${mark} is set). Ask the server's API.\n`,
    };
  if (headers.upgrade !== undefined)
    return { status: 403, text: 'The store speaks HTTP/1.1 only and upgrades nothing.\n' };
  if (!isOwnHost(headers.host, endpoint))
    return { status: 421, text: 'The store does not answer to that Host; ask for 127.0.0.1 and its port.\n' };
  return undefined;
}

/** Beyond loopback, where TLS names the host and a password is needed, any name will do. */
function isOwnHost(header: string | undefined, endpoint: StoreEndpoint | undefined): boolean {
  if (endpoint === undefined) return false;
  if (endpoint.kind === 'port' && !isLoopbackHost(endpoint.host)) return true;
  const [, name, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(header ?? '') ?? [];
  if (name === undefined || !isLoopbackHost(name.toLowerCase())) return false;
  return endpoint.kind === 'socket' || Number(port ?? 80) === endpoint.port;
}
