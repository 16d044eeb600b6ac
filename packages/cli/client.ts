/**
 * The command line's way to a server's API: one client, and its failures told in the words of SluiceError.
 */
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { SluiceError } from '@sluice/protocol/error';
import { QueryService } from '@sluice/wire/gen/query_pb';

/** Where a server's API is when nobody says otherwise. */
export const DEFAULT_SERVER_URL = 'http://127.0.0.1:8080';

/** Longer than any query may run on the server (which ends it itself with a clear word). */
export const REQUEST_TIMEOUT_MS = 90_000;

export type QueryClient = Client<typeof QueryService>;

/** @param token bearer token, when the server wants one */
export function createQueryClient(serverUrl: string, token: string | undefined): QueryClient {
  const transport = createConnectTransport({
    baseUrl: serverUrl,
    httpVersion: '1.1',
    useBinaryFormat: true,
    defaultTimeoutMs: REQUEST_TIMEOUT_MS,
    interceptors: [
      (next) => (request) => {
        if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return createClient(QueryService, transport);
}

/**
 * @param error what a call of the client threw
 * @param query the query that was asked, so that the place of a mistake can be shown
 * @returns what to tell the user
 */
export function clientError(error: unknown, serverUrl: string, query?: string): SluiceError {
  const cause = ConnectError.from(error);
  switch (cause.code) {
    case Code.InvalidArgument: {
      const position = Number(cause.metadata.get('sluice-error-position') ?? Number.NaN);
      const pointer =
        query === undefined || Number.isNaN(position) ? '' : `\n  ${query}\n  ${' '.repeat(position)}^`;
      return new SluiceError('query_invalid', `${cause.rawMessage}${pointer}`, {
        cause,
        hint: 'The language is described in docs/search.md.',
      });
    }
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return new SluiceError('unauthorized', `${serverUrl} refused: ${cause.rawMessage}`, {
        cause,
        hint: 'Set SLUICE_TOKEN to a token that this server accepts.',
      });
    case Code.DeadlineExceeded:
      return new SluiceError('not_reachable', `${serverUrl} did not answer in time: ${cause.rawMessage}`, {
        cause,
        hint: 'Narrow the time range or the query.',
      });
    case Code.Unavailable:
      return new SluiceError('not_reachable', `${serverUrl} is not available: ${cause.rawMessage}`, {
        cause,
        hint: 'Is a server running there? Name another with --server URL or SLUICE_SERVER.',
      });
    default:
      return new SluiceError('internal', `${serverUrl} answered: ${cause.rawMessage}`, { cause });
  }
}
