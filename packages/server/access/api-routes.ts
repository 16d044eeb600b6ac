/**
 * Who may ask each route of the API. A route that is not here is not served: the server does not start with it.
 *
 * Routes, not paths: a path can be written in many ways that lead to the same route.
 */
import { SluiceError } from '@sluice/base/error';

/**
 * `anyone`: it tells nothing of the logs, and changes nothing. `visitor`: who is let in, with the token where there is
 * one, and from no page of another site.
 */
export type MayAsk = 'anyone' | 'visitor';

const API_ROUTES: ReadonlyMap<string, MayAsk> = new Map<string, MayAsk>([
  ['/healthz', 'anyone'],
  ['/readyz', 'anyone'],
  // The console's files, which are public as the program is.
  ['/*', 'anyone'],
  ['/metrics', 'visitor'],
  ['/sluice.v1.QueryService/Search', 'visitor'],
  ['/sluice.v1.QueryService/Count', 'visitor'],
  ['/sluice.v1.QueryService/Histogram', 'visitor'],
  ['/sluice.v1.QueryService/GetStatus', 'visitor'],
  ['/sluice.v1.AgentService/ListAgents', 'visitor'],
  ['/sluice.v1.AgentService/AcceptAgent', 'visitor'],
  ['/sluice.v1.SetAsideService/ListSetAside', 'visitor'],
  ['/sluice.v1.SetAsideService/ShowSetAside', 'visitor'],
  ['/sluice.v1.SetAsideService/RetrySetAside', 'visitor'],
  ['/sluice.v1.SetAsideService/DropSetAside', 'visitor'],
  ['/sluice.v1.SetAsideService/AcknowledgeLosses', 'visitor'],
]);

/** @throws SluiceError `internal` for a route of which nobody has said who may ask it */
export function whoMayAsk(route: string): MayAsk {
  const asker = API_ROUTES.get(route);
  if (asker !== undefined) return asker;
  throw new SluiceError('internal', `nobody has said who may ask the route ${route} (access/api-routes.ts)`);
}
