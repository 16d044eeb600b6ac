/** How long lines took from being written until they were there, and what percentiles of that are. */
import type { ErrorLine } from './flood.ts';

/** Time from write to arrival, or a lower bound of it. */
export interface Latency {
  readonly milliseconds: number;
  readonly atLeast: boolean;
}

/** @returns a latency for each line; those without arrival take at least until now */
export function latenciesOf(
  errors: readonly ErrorLine[],
  arrivedMs: ReadonlyMap<string, number>,
  nowMs: number,
): Latency[] {
  return errors.map(({ token, writtenMs }) => {
    const arrived = arrivedMs.get(token);
    return { milliseconds: (arrived ?? nowMs) - writtenMs, atLeast: arrived === undefined };
  });
}

/**
 * A percentile (nearest rank). Where lower bounds stand for what was not seen, it is itself a lower bound.
 * @param part 0..1
 */
export function percentile(latencies: readonly Latency[], part: number): Latency {
  const sorted = [...latencies].sort((a, b) => a.milliseconds - b.milliseconds);
  const index = Math.max(0, Math.ceil(part * sorted.length) - 1);
  const { milliseconds } = sorted[index] ?? { milliseconds: Number.NaN };
  // One that has not arrived may end up above: then everything from its place on is a lower bound.
  return { milliseconds, atLeast: sorted.slice(0, index + 1).some(({ atLeast }) => atLeast) };
}

/** @returns whether it is known to be at most so long */
export function isWithin({ milliseconds, atLeast }: Latency, goalMs: number): boolean {
  return !atLeast && milliseconds <= goalMs;
}

/** Of two, the one that is known to be longer; a lower bound is longer than anything that is known. */
export function isLonger(one: Latency, other: Latency): boolean {
  return one.atLeast === other.atLeast ? one.milliseconds > other.milliseconds : one.atLeast;
}

export function formatLatency({ milliseconds, atLeast }: Latency): string {
  return `${atLeast ? '> ' : ''}${(milliseconds / 1000).toFixed(2)} s`;
}

/** The middle one, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** A step of the way, over all that it was seen of, for people. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return 'not seen';
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    `${Math.round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN)}`;
  return `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${sorted.length})`;
}

/** Rows under a head, in columns of even width. */
export function formatColumns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
