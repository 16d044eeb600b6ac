/** The API client: Connect over HTTP to the server that this page came from. */
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { QueryService } from '@sluice/wire/gen/query_pb';
import { readToken } from './token.ts';

/** A search may be slow on a large store, but nobody waits longer than this; the server has its own, lower limit. */
const REQUEST_TIMEOUT_MS = 60_000;

export const api: Client<typeof QueryService> = createClient(
  QueryService,
  createConnectTransport({
    baseUrl: '',
    useBinaryFormat: true,
    defaultTimeoutMs: REQUEST_TIMEOUT_MS,
    interceptors: [
      (next) => (request) => {
        const token = readToken();
        if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  }),
);
