/** QueryService over the search service and the status. Translates calls and errors, decides nothing. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import type { Principal } from '@sluice/protocol/principal';
import { type GetStatusResponseSchema, QueryService } from '@sluice/wire/gen/query_pb';
import type { Logger } from 'pino';
import { PRINCIPAL, principalOf } from '../access/context.ts';
import type { SearchService } from '../search/search-service.ts';
import { toConnectError } from './errors.ts';

export type StatusSource = () =>
  | MessageInitShape<typeof GetStatusResponseSchema>
  | Promise<MessageInitShape<typeof GetStatusResponseSchema>>;

export interface RouteOptions {
  readonly search: SearchService;
  readonly status: StatusSource;
  readonly logger: Logger;
}

export function queryRoutes(options: RouteOptions): (router: ConnectRouter) => void {
  const { search, status, logger } = options;
  /** The call's answer, its error in Connect's words. */
  async function answer<T>(
    context: HandlerContext,
    call: (principal: Principal) => T | Promise<T>,
  ): Promise<T> {
    try {
      return await call(principalOf(context));
    } catch (error) {
      const failure = toConnectError(error);
      const asker = context.values.get(PRINCIPAL)?.name;
      logger.debug({ err: error, method: context.method.name, asker }, 'a call of the API failed');
      throw failure;
    }
  }
  return (router) => {
    router.service(QueryService, {
      search: (request, context) =>
        answer(context, (principal) => search.search(request, principal, context.signal)),
      count: (request, context) =>
        answer(context, (principal) => search.count(request, principal, context.signal)),
      histogram: (request, context) =>
        answer(context, (principal) => search.histogram(request, principal, context.signal)),
      getStatus: (_request, context) => answer(context, () => status()),
    });
  };
}
