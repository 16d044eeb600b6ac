/**
 * The histogram's answer as columns for the chart. Pure.
 *
 * Invariants: buckets come out dense, ascending and evenly spaced, whatever is missing in the answer; `stacks[i]` is
 * the sum of the severities 0..i, so the tallest stack is the last.
 */
import type { HistogramResponse } from '@sluice/wire/gen/query_pb';
import { SEVERITIES, type Severity } from '../severity/severity.ts';
import { nanosToMs } from '../time/time-range.ts';

export interface HistogramData {
  readonly stepMs: number;
  /** Start of each bucket. */
  readonly startsMs: readonly number[];
  /** Counts by severity, in the order of {@link SEVERITIES}. */
  readonly counts: readonly (readonly number[])[];
  readonly stacks: readonly (readonly number[])[];
  readonly totals: Readonly<Record<Severity, number>>;
  readonly total: number;
}

/** More bars than pixels say nothing; and an answer with a tiny step must not make the page allocate without bound. */
const MAX_BUCKETS = 2000;

/** Columns for the chart from the server's answer. */
export function toHistogramData(response: HistogramResponse): HistogramData {
  const stepMs = Math.max(1, Number(response.stepNanos) / 1e6);
  const known = [...response.buckets].sort((a, b) => (a.startUnixNanos < b.startUnixNanos ? -1 : 1));
  const firstMs = nanosToMs(known[0]?.startUnixNanos ?? response.startUnixNanos);
  const lastMs = nanosToMs(known.at(-1)?.startUnixNanos ?? response.startUnixNanos);
  const length = known.length === 0 ? 0 : Math.min(MAX_BUCKETS, Math.round((lastMs - firstMs) / stepMs) + 1);
  const startsMs = Array.from({ length }, (_, index) => firstMs + index * stepMs);
  const counts = SEVERITIES.map(() => new Array<number>(length).fill(0));
  const totals: Record<Severity, number> = {
    unspecified: 0,
    trace: 0,
    debug: 0,
    info: 0,
    warn: 0,
    error: 0,
    fatal: 0,
  };
  for (const bucket of known) {
    const index = Math.round((nanosToMs(bucket.startUnixNanos) - firstMs) / stepMs);
    SEVERITIES.forEach((severity, row) => {
      const count = Number(bucket[severity]);
      totals[severity] += count;
      const column = counts[row];
      if (column !== undefined && index < length) column[index] = (column[index] ?? 0) + count;
    });
  }
  const stacks: number[][] = [];
  for (const column of counts) {
    const below = stacks.at(-1);
    stacks.push(column.map((count, index) => count + (below?.[index] ?? 0)));
  }
  return { stepMs, startsMs, counts, stacks, totals, total: Number(response.total) };
}

/** The bucket with the most records, for the summary in words; undefined when there is none. */
export function busiestBucket(
  data: HistogramData,
): { readonly startMs: number; readonly count: number } | undefined {
  const top = data.stacks.at(-1) ?? [];
  let best = -1;
  top.forEach((count, index) => {
    if (count > (top[best] ?? 0)) best = index;
  });
  const startMs = data.startsMs[best];
  return startMs === undefined ? undefined : { startMs, count: top[best] ?? 0 };
}
