/** The histogram of a run. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api } from '../api/client.ts';
import { type Failure, toFailure } from '../api/failure.ts';
import { type HistogramData, toHistogramData } from './histogram-data.ts';
import type { Run } from './use-run.ts';

/** About one bar for every ten pixels of a wide screen. */
const WANTED_BUCKETS = 100;

export interface HistogramResult {
  readonly data: HistogramData | undefined;
  readonly failure: Failure | undefined;
}

export function useHistogram(run: Run): HistogramResult {
  const histogram = useQuery({
    queryKey: [
      'histogram',
      run.query,
      String(run.range.startUnixNanos),
      String(run.range.endUnixNanos),
      run.anchorMs,
    ],
    queryFn: async ({ signal }) =>
      toHistogramData(
        await api.histogram(
          { query: run.query, range: run.range, buckets: WANTED_BUCKETS, searchId: run.searchId },
          { signal },
        ),
      ),
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  return { data: histogram.data, failure: histogram.error === null ? undefined : toFailure(histogram.error) };
}
