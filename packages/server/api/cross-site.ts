/**
 * Tells requests that a page of another site made its browser send from those of the console and of programs. CORS alone
 * keeps such a page from reading an answer, not from asking: a search that nobody reads still costs its time.
 */
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Browsers say where a page comes from (`Sec-Fetch-Site`, and `Origin` with whatever is no plain GET); programs say
 * nothing. Another port of this computer is another site.
 *
 * @param names further names by which this server is known: before a proxy the Host may be another than the page's
 */
export function isFromOtherSite(headers: IncomingHttpHeaders, names: readonly string[]): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin } = headers;
  if (origin === undefined) return false;
  const url = URL.parse(origin);
  if (url === null) return true;
  if (url.host === headers.host?.toLowerCase()) return false;
  return !names.some((name) => name.toLowerCase() === url.hostname);
}
