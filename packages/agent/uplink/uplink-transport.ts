/** ConnectRPC over a connection that is there already: it opens none by itself. */
import { createConnectTransport } from '@connectrpc/connect-node';
import type { Http2Link } from './http2-link.ts';
import { MAX_RECEIVED_MESSAGE_BYTES, MAX_SENT_MESSAGE_BYTES } from './limits.ts';

/** @param token bearer token, shown with each call */
export function uplinkTransport(
  address: string,
  token: string | undefined,
  link: Http2Link,
): ReturnType<typeof createConnectTransport> {
  return createConnectTransport({
    httpVersion: '2',
    baseUrl: address,
    sessionManager: link,
    useBinaryFormat: true,
    // Payloads are compressed once, when they are sealed.
    acceptCompression: [],
    readMaxBytes: MAX_RECEIVED_MESSAGE_BYTES,
    writeMaxBytes: MAX_SENT_MESSAGE_BYTES,
    interceptors:
      token === undefined
        ? []
        : [
            (next) => (request) => {
              request.header.set('authorization', `Bearer ${token}`);
              return next(request);
            },
          ],
  });
}
