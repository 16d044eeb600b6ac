/** The records of a run, newest first, a page at a time. */
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { api } from '../api/client.ts';
import { type Failure, toFailure } from '../api/failure.ts';
import type { Run } from './use-run.ts';

const PAGE_RECORDS = 200;
/** Nobody reads more by scrolling, and every record is held in memory; the list says when it stops here. */
const MAX_LOADED_RECORDS = 20_000;

export interface SearchResult {
  readonly records: readonly LogRecord[];
  /** No answer yet, nothing to show. */
  readonly pending: boolean;
  /** What is shown answers an earlier run. */
  readonly outdated: boolean;
  readonly failure: Failure | undefined;
  /** The next page failed; the pages before it are fine. */
  readonly pageFailure: Failure | undefined;
  readonly elapsedMs: bigint;
  readonly hasMore: boolean;
  readonly capped: boolean;
  readonly loadingMore: boolean;
  readonly loadMore: () => void;
}

export function useSearch(run: Run): SearchResult {
  const search = useInfiniteQuery({
    queryKey: [
      'search',
      run.query,
      String(run.range.startUnixNanos),
      String(run.range.endUnixNanos),
      run.anchorMs,
    ],
    queryFn: ({ pageParam, signal }) =>
      api.search(
        {
          query: run.query,
          range: run.range,
          limit: PAGE_RECORDS,
          cursor: pageParam,
          searchId: run.searchId,
        },
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: (last) => (last.nextCursor === '' ? undefined : last.nextCursor),
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  const pages = search.data?.pages;
  const records = useMemo(() => (pages ?? []).flatMap((page) => page.records), [pages]);
  const capped = search.hasNextPage && records.length >= MAX_LOADED_RECORDS;
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = search;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const failure = search.error === null ? undefined : toFailure(search.error);
  return {
    records,
    pending: search.isPending,
    outdated: search.isPlaceholderData,
    failure: isFetchNextPageError ? undefined : failure,
    pageFailure: isFetchNextPageError ? failure : undefined,
    elapsedMs: pages?.[0]?.elapsedMs ?? 0n,
    hasMore: hasNextPage && !capped,
    capped,
    loadingMore: search.isFetchingNextPage,
    loadMore,
  };
}
