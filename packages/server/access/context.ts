/** How a principal goes from the door to what answers: as a decoration of the request, or in the values of a call. */
import { type ContextKey, type ContextValues, createContextKey, type Interceptor } from '@connectrpc/connect';
import { SluiceError } from '@sluice/base/error';
import type { Principal } from '@sluice/protocol/principal';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the API's door before anything else looks at the request. */
    principal: Principal | undefined;
  }
}

/** Of a call; undefined for one that came through no door. */
export const PRINCIPAL: ContextKey<Principal | undefined> = createContextKey<Principal | undefined>(
  undefined,
  { description: 'who asks' },
);

/** For a router whose calls come through a door that is not the router's: one that came through none is not answered. */
export const principalInterceptor: Interceptor = (next) => async (request) => {
  principalOf({ values: request.contextValues });
  return await next(request);
};

/** @throws SluiceError `internal` for a call that came through no door: it is not answered */
export function principalOf({ values }: { readonly values: ContextValues }): Principal {
  const principal = values.get(PRINCIPAL);
  if (principal === undefined) throw new SluiceError('internal', 'a call came that no door has let in');
  return principal;
}
