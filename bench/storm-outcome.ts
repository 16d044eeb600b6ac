/**
 * What a storm leaves to report: how long each ERROR line took, also those that had not arrived when the watch ended.
 */
import { formatColumns, formatLatency, type Latency, percentile } from './latency.ts';

/** What is asked of every shipper. */
export interface StormPlan {
  readonly seconds: number;
  readonly errorsPerSecond: number;
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

export interface StormOutcome {
  readonly shipper: string;
  readonly latencies: readonly Latency[];
  /** Lines written and not received when the flood ended. */
  readonly backlogLines: number;
  /** Whether every line was there once in the end, where that is looked at. */
  readonly isThereOnce?: boolean;
  /** What else is to be said, a line each. */
  readonly remarks: readonly string[];
}

/** The table of all shippers. */
export function formatTable(outcomes: readonly StormOutcome[]): string {
  const head = ['shipper', 'p50', 'p99', 'max', 'not seen', 'backlog when the flood ends'];
  const rows = outcomes.map(({ shipper, latencies, backlogLines }) => [
    shipper,
    ...[0.5, 0.99, 1].map((part) => formatLatency(percentile(latencies, part))),
    String(latencies.filter(({ atLeast }) => atLeast).length),
    `${Math.round(backlogLines)} lines`,
  ]);
  return formatColumns(head, rows);
}
