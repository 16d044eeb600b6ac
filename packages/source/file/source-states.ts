/**
 * How the sources of an agent are: which stand still although there is something to read, since when and why, and what
 * could not be digested. For people, by way of the agent's report.
 *
 * Invariants: every list is bounded; what is left out of a list is in the counts; the counts only grow, also when files
 * are let go.
 */
import type { FollowedFile } from './followed-file.ts';

/** Sources told of one by one, the worst first: people mend the first few, and a report stays small. */
export const MAX_TOLD_SOURCES = 32;
/**
 * A file with something to read from which nothing was read for this long stands still. Far above one round of turns over
 * many files, a cut and a retry; far below what a person notices without being told.
 */
export const STANDSTILL_MS = 30_000;
/** Files that vanished with unread bytes are told of for this long, and then only counted. */
const VANISHED_TOLD_MS: number = 24 * 3600 * 1000;
/** Vanished files that are remembered, in case that they come back. */
const MAX_VANISHED_REMEMBERED = 1024;
/** Places that cannot be looked at and are remembered with the time since when; there is no tree with more of interest. */
const MAX_LOOK_PROBLEMS = 1024;

/**
 * `reading`: told of only for lines that were not what they seem. `failing`: the system refuses it. `stuck`: stands still
 * without a failure. `vanished`: gone before it was read to its end.
 */
export type SourceCondition = 'reading' | 'failing' | 'stuck' | 'vanished';

export interface SourceState {
  /** The file, or the directory that cannot be looked into. */
  readonly path: string;
  readonly condition: SourceCondition;
  /** For how long it has failed or been stuck, or how long ago it vanished; 0 for a source that reads on. */
  readonly forMs: number;
  /** Why, for people. */
  readonly reason: string;
  readonly unreadBytes: number;
  /** Lines that became plain records, marked. */
  readonly unparsedLines: number;
  /** Lines that became no record, by an error of the agent's. */
  readonly failedLines: number;
  /** Failed attempts to read. */
  readonly readErrors: number;
}

export interface SourceStates {
  readonly files: number;
  readonly failing: number;
  readonly stuck: number;
  /** Of files that vanished before they were read to their end, since the agent started. */
  readonly vanished: number;
  readonly vanishedBytes: number;
  readonly unparsedLines: number;
  readonly failedLines: number;
  readonly readErrors: number;
  /** How long ago the oldest byte that waits was seen first; 0 when all is read. */
  readonly oldestUnreadAgeMs: number;
  /** At most {@link MAX_TOLD_SOURCES}, the worst first. */
  readonly worst: readonly SourceState[];
}

/** What cannot be looked at, and since when. */
interface LookProblem {
  readonly why: string;
  readonly sinceMs: number;
}

/** A file that vanished, and when. */
interface VanishedFile {
  readonly state: SourceState;
  readonly atMs: number;
}

export class SourceBook {
  #lookProblems = new Map<string, LookProblem>();
  /** By file, the latest last. */
  readonly #vanishedFiles = new Map<string, VanishedFile>();
  #vanished = 0;
  #vanishedBytes = 0;
  /** Of files that are followed no longer. */
  #past = { unparsedLines: 0, failedLines: 0, readErrors: 0 };

  /** What the latest walk could not look at, by path. */
  looked(problems: ReadonlyMap<string, string>, nowMs: number): void {
    const kept = new Map<string, LookProblem>();
    for (const [path, why] of problems) {
      if (kept.size >= MAX_LOOK_PROBLEMS) break;
      kept.set(path, { why, sinceMs: this.#lookProblems.get(path)?.sinceMs ?? nowMs });
    }
    this.#lookProblems = kept;
  }

  /** A file is followed no longer; its counts stay. */
  letGo(file: FollowedFile): void {
    this.#past.unparsedLines += file.consumer.unparsedLines;
    this.#past.failedLines += file.consumer.failedLines;
    this.#past.readErrors += file.progress.readErrors;
  }

  /** A file went away with something in it that was not read. */
  vanishedUnread(file: FollowedFile, nowMs: number): void {
    this.#vanished += 1;
    this.#vanishedBytes += file.unreadBytes;
    const why = file.progress.failure === '' ? '' : ` (${file.progress.failure})`;
    const reason = `not to be found any more before it was read to its end${why}`;
    this.#vanishedFiles.delete(file.key);
    this.#vanishedFiles.set(file.key, { state: stateOf(file, 'vanished', 0, reason), atMs: nowMs });
    if (this.#vanishedFiles.size <= MAX_VANISHED_REMEMBERED) return;
    for (const oldest of this.#vanishedFiles.keys()) {
      this.#vanishedFiles.delete(oldest);
      return;
    }
  }

  /** A file is found whose position goes on: had it vanished, it is back (a directory could not be read for a while). */
  cameBack(file: FollowedFile): void {
    const told = this.#vanishedFiles.get(file.key);
    if (told === undefined) return;
    this.#vanishedFiles.delete(file.key);
    this.#vanished -= 1;
    this.#vanishedBytes -= told.state.unreadBytes;
  }

  /** What cannot be read now, one sentence each. */
  problems(files: Iterable<FollowedFile>): string[] {
    const problems = new Map<string, string>();
    for (const [path, { why }] of this.#lookProblems) problems.set(path, why);
    for (const { path, progress } of files) if (progress.failure !== '') problems.set(path, progress.failure);
    return [...problems].map(([path, why]) => `${path}: ${why}`);
  }

  /**
   * @param pausedWhy why nothing at all is read now; undefined while reading goes on
   * @param current the file that a read is in progress of
   */
  states(
    files: Iterable<FollowedFile>,
    nowMs: number,
    pausedWhy: string | undefined,
    current: FollowedFile | undefined,
  ): SourceStates {
    const totals = { files: 0, failing: 0, stuck: 0, ...this.#past };
    let oldestUnreadSinceMs = nowMs;
    const told: SourceState[] = [];
    const followed = new Set<string>();
    for (const file of files) {
      const { consumer, progress, path } = file;
      followed.add(path);
      totals.files += 1;
      totals.unparsedLines += consumer.unparsedLines;
      totals.failedLines += consumer.failedLines;
      totals.readErrors += progress.readErrors;
      oldestUnreadSinceMs = Math.min(oldestUnreadSinceMs, progress.behindSinceMs ?? nowMs);
      const { failingSinceMs, waitingSinceMs } = progress;
      if (failingSinceMs !== undefined) {
        totals.failing += 1;
        told.push(stateOf(file, 'failing', nowMs - failingSinceMs, progress.failure));
      } else if (waitingSinceMs !== undefined && nowMs - waitingSinceMs >= STANDSTILL_MS) {
        totals.stuck += 1;
        const why = file === current ? 'a read of it does not return' : (pausedWhy ?? 'waits for its turn');
        told.push(stateOf(file, 'stuck', nowMs - waitingSinceMs, why));
      } else if (consumer.unparsedLines + consumer.failedLines > 0) {
        told.push(stateOf(file, 'reading', 0, consumer.lastFailure));
      }
    }
    for (const [path, { why, sinceMs }] of this.#lookProblems) {
      if (followed.has(path)) continue;
      totals.failing += 1;
      told.push({ ...NOTHING_READ, path, condition: 'failing', forMs: nowMs - sinceMs, reason: why });
    }
    for (const { state, atMs } of this.#vanishedFiles.values())
      if (nowMs - atMs < VANISHED_TOLD_MS) told.push({ ...state, forMs: nowMs - atMs });
    return {
      ...totals,
      vanished: this.#vanished,
      vanishedBytes: this.#vanishedBytes,
      oldestUnreadAgeMs: nowMs - oldestUnreadSinceMs,
      worst: told.sort(byBadness).slice(0, MAX_TOLD_SOURCES),
    };
  }
}

/** Of what could not even be looked at. */
const NOTHING_READ = { unreadBytes: 0, unparsedLines: 0, failedLines: 0, readErrors: 0 } as const;

function stateOf(file: FollowedFile, condition: SourceCondition, forMs: number, reason: string): SourceState {
  const { consumer, progress } = file;
  return {
    path: file.path,
    condition,
    forMs: Math.max(0, forMs),
    reason,
    unreadBytes: file.unreadBytes,
    unparsedLines: consumer.unparsedLines,
    failedLines: consumer.failedLines,
    readErrors: progress.readErrors,
  };
}

const RANKS: Readonly<Record<SourceCondition, number>> = { stuck: 0, failing: 1, vanished: 2, reading: 3 };

/**
 * Those that stand still without a word of the system first, then those that fail, the longest first; then the latest
 * that vanished; then those with the most lines undigested.
 */
function byBadness(one: SourceState, other: SourceState): number {
  const rank = RANKS[one.condition] - RANKS[other.condition];
  if (rank !== 0) return rank;
  if (one.condition === 'vanished') return one.forMs - other.forMs;
  return (
    other.forMs - one.forMs || other.failedLines - one.failedLines || other.unparsedLines - one.unparsedLines
  );
}
