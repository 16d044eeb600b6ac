/** The state of servers, agents and channels, asked again and again while the page is visible. */
import type { GetStatusResponse } from '@sluice/wire/gen/query_pb';
import { useQuery } from '@tanstack/react-query';
import { api } from '../api/client.ts';
import { type Failure, toFailure } from '../api/failure.ts';

/** While the flow is on the screen: quick enough to watch a grant live and die. */
const CLOSE_INTERVAL_MS = 1000;
/** Elsewhere only the state of the store is shown. */
const BACKGROUND_INTERVAL_MS = 5000;
/** A status answers at once or not at all. */
const STATUS_TIMEOUT_MS = 5000;

export interface StatusResult {
  /** The latest answer; kept when a later request fails. */
  readonly response: GetStatusResponse | undefined;
  readonly answeredAtMs: number;
  readonly failure: Failure | undefined;
  readonly retry: () => void;
}

export function useStatus(attention: 'close' | 'background'): StatusResult {
  const { data, dataUpdatedAt, error, refetch } = useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => api.getStatus({}, { signal, timeoutMs: STATUS_TIMEOUT_MS }),
    refetchInterval: attention === 'close' ? CLOSE_INTERVAL_MS : BACKGROUND_INTERVAL_MS,
    staleTime: 0,
    structuralSharing: false,
  });
  return {
    response: data,
    answeredAtMs: dataUpdatedAt,
    failure: error === null ? undefined : toFailure(error),
    retry: () => void refetch(),
  };
}
