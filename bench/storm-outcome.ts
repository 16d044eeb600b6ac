/**
 * What a storm leaves to report: how long each ERROR line took, also those that had not arrived when the watch ended.
 */
import type { ErrorLine } from './storm-flood.ts';

/** What is asked of every shipper. */
export interface StormPlan {
  readonly seconds: number;
  /** How long a shipper is watched after the flood when ERROR lines are still on their way. */
  readonly afterSeconds: number;
  /** Cap of the receiving side in lines per second. */
  readonly linesPerSecond: number;
  /** The same in uncompressed block bytes per second. */
  readonly rawBytesPerSecond: number;
  /** Of the flood, in bytes of the file. */
  readonly floodBytesPerSecond: number;
  readonly rawBytesPerLine: number;
  /** Bound of the agent's queue, as its flag takes it. */
  readonly queueBytes?: string;
  /** A directory that the shipper has to itself. */
  readonly directory: string;
}

/** Time from write to arrival, or a lower bound of it. */
export interface Latency {
  readonly milliseconds: number;
  readonly atLeast: boolean;
}

export interface StormOutcome {
  readonly shipper: string;
  readonly latencies: readonly Latency[];
  /** Lines written and not received when the flood ended. */
  readonly backlogLines: number;
  /** What else is to be said, a line each. */
  readonly remarks: readonly string[];
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

function formatLatency({ milliseconds, atLeast }: Latency): string {
  return `${atLeast ? '> ' : ''}${(milliseconds / 1000).toFixed(2)} s`;
}

/** The table of all shippers. */
export function formatTable(outcomes: readonly StormOutcome[]): string {
  const rows = outcomes.map(({ shipper, latencies, backlogLines }) => [
    shipper,
    ...[0.5, 0.99, 1].map((part) => formatLatency(percentile(latencies, part))),
    String(latencies.filter(({ atLeast }) => atLeast).length),
    `${Math.round(backlogLines)} lines`,
  ]);
  const head = ['shipper', 'p50', 'p99', 'max', 'not seen', 'backlog when the flood ends'];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}
