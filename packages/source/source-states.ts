/**
 * How sources are: which stand still although there is something to read, since when and why, and what could not be
 * digested. For people, by way of the agent's report.
 *
 * Invariants: every list is bounded; what is left out of a list is in the counts; the counts only grow, also when streams
 * are let go.
 */

/** Streams told of one by one, the worst first: people mend the first few, and a report stays small. */
export const MAX_TOLD_SOURCES = 32;

/**
 * `reading`: told of only for lines that were not what they seem. `failing`: the system refuses it. `stuck`: stands still
 * without a failure. `vanished`: gone before it was read to its end.
 */
export type SourceCondition = 'reading' | 'failing' | 'stuck' | 'vanished';

export interface SourceState {
  /** Of its source. */
  readonly kind: string;
  /** The stream, or the place where streams are looked for: a path, an address. */
  readonly name: string;
  readonly condition: SourceCondition;
  /** For how long it has failed or been stuck, or how long ago it vanished; 0 for a source that reads on. */
  readonly forMs: number;
  /** Why, for people. */
  readonly reason: string;
  readonly unreadBytes: number;
  /** Records that became plain ones, marked. */
  readonly unparsedRecords: number;
  /** Records that are lost by an error of the agent's. */
  readonly failedRecords: number;
  /** Failed attempts to read. */
  readonly readErrors: number;
}

export interface SourceStates {
  /** Files, connections, ... that are followed. */
  readonly streams: number;
  readonly failing: number;
  readonly stuck: number;
  /** Of streams that vanished before they were read to their end, since the agent started. */
  readonly vanished: number;
  readonly vanishedBytes: number;
  readonly unparsedRecords: number;
  readonly failedRecords: number;
  /** Records that came from sources that cannot wait while nobody could take them. */
  readonly droppedRecords: number;
  readonly readErrors: number;
  /** How long ago the oldest byte that waits was seen first; 0 when all is read. */
  readonly oldestUnreadAgeMs: number;
  /** At most {@link MAX_TOLD_SOURCES}, the worst first. */
  readonly worst: readonly SourceState[];
}

const RANKS: Readonly<Record<SourceCondition, number>> = { stuck: 0, failing: 1, vanished: 2, reading: 3 };

/**
 * Those that stand still without a word of the system first, then those that fail, the longest first; then the latest
 * that vanished; then those with the most records undigested.
 */
export function byBadness(one: SourceState, other: SourceState): number {
  const rank = RANKS[one.condition] - RANKS[other.condition];
  if (rank !== 0) return rank;
  if (one.condition === 'vanished') return one.forMs - other.forMs;
  return (
    other.forMs - one.forMs ||
    other.failedRecords - one.failedRecords ||
    other.unparsedRecords - one.unparsedRecords
  );
}

/** All counts 0: the states of an agent without sources. */
const NO_SOURCES: SourceStates = {
  ...{ streams: 0, failing: 0, stuck: 0, vanished: 0, vanishedBytes: 0 },
  ...{ unparsedRecords: 0, failedRecords: 0, droppedRecords: 0, readErrors: 0, oldestUnreadAgeMs: 0 },
  worst: [],
};

/** The states of several sources as those of one. */
export function mergeStates(all: readonly SourceStates[]): SourceStates {
  return all.reduce(
    (sum, one) => ({
      streams: sum.streams + one.streams,
      failing: sum.failing + one.failing,
      stuck: sum.stuck + one.stuck,
      vanished: sum.vanished + one.vanished,
      vanishedBytes: sum.vanishedBytes + one.vanishedBytes,
      unparsedRecords: sum.unparsedRecords + one.unparsedRecords,
      failedRecords: sum.failedRecords + one.failedRecords,
      droppedRecords: sum.droppedRecords + one.droppedRecords,
      readErrors: sum.readErrors + one.readErrors,
      oldestUnreadAgeMs: Math.max(sum.oldestUnreadAgeMs, one.oldestUnreadAgeMs),
      worst: [...sum.worst, ...one.worst].sort(byBadness).slice(0, MAX_TOLD_SOURCES),
    }),
    NO_SOURCES,
  );
}
