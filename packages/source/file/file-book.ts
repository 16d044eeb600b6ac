/**
 * What there is to tell of the files of a source: which stand still although there is something to read, since when and why,
 * which vanished, and what could not be digested.
 *
 * Invariants: every list is bounded; the counts only grow, also when files are let go.
 */
import {
  byBadness,
  MAX_TOLD_SOURCES,
  type SourceCondition,
  type SourceState,
  type SourceStates,
} from '../source-states.ts';
import type { FollowedFile } from './followed-file.ts';

/** The kind of a source of files, in states and before the names of its positions. */
export const FILE_KIND = 'file';
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

export class FileBook {
  #lookProblems = new Map<string, LookProblem>();
  /** By file, the latest last. */
  readonly #vanishedFiles = new Map<string, VanishedFile>();
  #vanished = 0;
  #vanishedBytes = 0;
  /** Of files that are followed no longer. */
  #past = { unparsedRecords: 0, failedRecords: 0, readErrors: 0 };

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
    this.#past.unparsedRecords += file.consumer.unparsedRecords;
    this.#past.failedRecords += file.consumer.failedRecords;
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
    const totals = { streams: 0, failing: 0, stuck: 0, ...this.#past };
    let oldestUnreadSinceMs = nowMs;
    const told: SourceState[] = [];
    const followed = new Set<string>();
    for (const file of files) {
      const { consumer, progress, path } = file;
      followed.add(path);
      totals.streams += 1;
      totals.unparsedRecords += consumer.unparsedRecords;
      totals.failedRecords += consumer.failedRecords;
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
      } else if (consumer.unparsedRecords + consumer.failedRecords > 0) {
        told.push(stateOf(file, 'reading', 0, consumer.lastFailure));
      }
    }
    for (const [path, { why, sinceMs }] of this.#lookProblems) {
      if (followed.has(path)) continue;
      totals.failing += 1;
      told.push({ ...NOTHING_READ, name: path, condition: 'failing', forMs: nowMs - sinceMs, reason: why });
    }
    for (const { state, atMs } of this.#vanishedFiles.values())
      if (nowMs - atMs < VANISHED_TOLD_MS) told.push({ ...state, forMs: nowMs - atMs });
    return {
      ...totals,
      // Files wait.
      droppedRecords: 0,
      vanished: this.#vanished,
      vanishedBytes: this.#vanishedBytes,
      oldestUnreadAgeMs: nowMs - oldestUnreadSinceMs,
      worst: told.sort(byBadness).slice(0, MAX_TOLD_SOURCES),
    };
  }
}

/** Of what could not even be looked at. */
const NOTHING_READ = {
  kind: FILE_KIND,
  unreadBytes: 0,
  unparsedRecords: 0,
  failedRecords: 0,
  readErrors: 0,
} as const;

function stateOf(file: FollowedFile, condition: SourceCondition, forMs: number, reason: string): SourceState {
  const { consumer, progress } = file;
  return {
    kind: FILE_KIND,
    name: file.path,
    condition,
    forMs: Math.max(0, forMs),
    reason,
    unreadBytes: file.unreadBytes,
    unparsedRecords: consumer.unparsedRecords,
    failedRecords: consumer.failedRecords,
    readErrors: progress.readErrors,
  };
}
