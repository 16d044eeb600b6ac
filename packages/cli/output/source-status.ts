/**
 * How an agent's sources are, as a part of `sluice status --json` and as lines for people.
 */

import { formatBytes, formatDuration } from '@sluice/host/quantity-text';
import { SourceCondition, type SourceState, type SourceStates } from '@sluice/wire/gen/uplink_pb';
import { printable, styled } from './terminal.ts';

/** Sources that the text shows; `--json` has all that the agent told of. */
const SHOWN_SOURCES = 8;

/** The stable shape of an agent's `sources`. */
export interface JsonSources {
  streams: number;
  /** The same; the name from before there were other sources. */
  files: number;
  failing: number;
  stuck: number;
  vanished: number;
  vanishedBytes: number;
  unparsedLines: number;
  failedLines: number;
  droppedRecords: number;
  readErrors: number;
  oldestUnreadMs: number;
  /** The worst first, some dozens at most. */
  worst: {
    kind: string;
    name: string;
    /** The same as `name`, from before there were other sources. */
    path: string;
    condition: string;
    /** For how long it has failed or been stuck, or how long ago it vanished; 0: it reads on. */
    forMs: number;
    reason: string;
    unreadBytes: number;
    unparsedLines: number;
    failedLines: number;
    readErrors: number;
  }[];
}

/** @returns null when the agent does not tell (an older version) */
export function jsonSources(sources: SourceStates | undefined): JsonSources | null {
  if (sources === undefined) return null;
  return {
    streams: Number(sources.streams),
    files: Number(sources.streams),
    failing: Number(sources.failing),
    stuck: Number(sources.stuck),
    vanished: Number(sources.vanished),
    vanishedBytes: Number(sources.vanishedBytes),
    unparsedLines: Number(sources.unparsedRecords),
    failedLines: Number(sources.failedRecords),
    droppedRecords: Number(sources.droppedRecords),
    readErrors: Number(sources.readErrors),
    oldestUnreadMs: Number(sources.oldestUnreadMs),
    worst: sources.worst.map((source) => ({
      kind: source.kind,
      name: source.name,
      path: source.name,
      condition: conditionName(source.condition),
      forMs: Number(source.forMs),
      reason: source.reason,
      unreadBytes: Number(source.unreadBytes),
      unparsedLines: Number(source.unparsedRecords),
      failedLines: Number(source.failedRecords),
      readErrors: Number(source.readErrors),
    })),
  };
}

/** The word for a condition; a newer agent may know more of them. */
function conditionName(condition: SourceCondition): string {
  switch (condition) {
    case SourceCondition.READING:
      return 'reading';
    case SourceCondition.FAILING:
      return 'failing';
    case SourceCondition.STUCK:
      return 'stuck';
    case SourceCondition.VANISHED:
      return 'vanished';
    default:
      return 'unspecified';
  }
}

/** @returns a line for each source that a person should look at; none when all is well */
export function sourceLines(sources: SourceStates | undefined): string[] {
  if (sources === undefined) return [];
  const lines = sources.worst
    .slice(0, SHOWN_SOURCES)
    .flatMap((source) => [
      ...(source.condition === SourceCondition.READING ? [] : [troubleLine(source)]),
      ...undigestedLines(source),
    ]);
  const more = sources.worst.length - SHOWN_SOURCES;
  const { failing, stuck, vanished } = sources;
  if (more > 0) {
    lines.push(
      `  and more: of ${sources.streams} sources ${failing} cannot be read, ${stuck} stand still, ${vanished} vanished unread`,
    );
  }
  return lines;
}

function troubleLine(source: SourceState): string {
  const forMs = Number(source.forMs);
  const unread = source.unreadBytes > 0n ? `, ${formatBytes(Number(source.unreadBytes))} not read` : '';
  const what =
    source.condition === SourceCondition.VANISHED
      ? `vanished ${formatDuration(forMs)} ago${unread}`
      : `${source.condition === SourceCondition.FAILING ? 'cannot be read' : 'stands still'} for ${formatDuration(forMs)}${unread}`;
  return styled('red', `  ${printable(source.name)} ${what}: ${printable(source.reason)}`);
}

function undigestedLines(source: SourceState): string[] {
  const lines: string[] = [];
  if (source.failedRecords > 0n) lines.push(`${countOf(source.failedRecords)} became no record`);
  if (source.unparsedRecords > 0n) lines.push(`${countOf(source.unparsedRecords)} kept as plain text`);
  const why = source.condition === SourceCondition.READING ? ` (${printable(source.reason)})` : '';
  return lines.map((line) => styled('yellow', `  ${printable(source.name)}: ${line}${why}`));
}

function countOf(lines: bigint): string {
  return lines === 1n ? '1 line' : `${lines} lines`;
}
