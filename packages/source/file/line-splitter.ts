/**
 * Cuts a piece of a file into lines, in place.
 *
 * The unfinished line at the end of a piece is not carried over: the caller reads it again from its first byte, so a
 * followed file costs no memory beyond its position, and the position is always one that reading can resume from.
 *
 * A hole (a run of zeros where a line would begin) is skipped: it is what a file has before the place where a writer goes
 * on that does not know that the file was truncated, and what a crash leaves. It says nothing and may be gigabytes.
 *
 * Invariants: every byte is handed out at most once; the position moves over whole lines, except for a line longer than
 * {@link MAX_LINE_BYTES} (handed out in parts) or one flushed without its end. After such a part the position stands
 * inside a line (`midLine`), and a terminator that comes next ends that line instead of making an empty one.
 */
import type { LineConsumer } from '../consumer.ts';

/** Longer lines are handed out in parts: bounds what one record can be. Far above what a person would read. */
export const MAX_LINE_BYTES: number = 256 * 1024;

/** Shorter runs of zeros are a part of their line: some programs write them, text of two bytes a character has them. */
export const LEAST_HOLE_BYTES = 64;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Where reading of a file stands. */
export interface LinePosition {
  /** Offset in the file of the first byte that was not handed out. */
  offsetBytes: number;
  /** The byte before `offsetBytes` belongs to the same line. */
  midLine: boolean;
  /** The byte before `offsetBytes` belongs to a hole; what follows of it is skipped too. */
  inHole?: boolean;
}

/**
 * Hands the lines in `buffer[0, length)` to the consumer and moves `position`, whose offset the piece begins at.
 *
 * @param afterLine called after every line with its size, the position being behind it; it may cut.
 */
export function splitLines(
  buffer: Buffer,
  length: number,
  position: LinePosition,
  consumer: LineConsumer,
  observedMs: number,
  afterLine: (lineBytes: number) => void,
): void {
  const base = position.offsetBytes;
  // The rest of a reused buffer holds older bytes.
  const piece = buffer.subarray(0, length);
  let start = 0;
  while (start < length) {
    const lineStart = start;
    if (piece[start] === 0 && !position.midLine) {
      const behind = behindZeros(piece, start);
      if (position.inHole === true || behind - start >= LEAST_HOLE_BYTES) {
        start = behind;
        position.inHole = true;
        position.offsetBytes = base + start;
        afterLine(start - lineStart);
        continue;
      }
    }
    const feed = piece.indexOf(LINE_FEED, start);
    const lineEnd = feed === -1 ? length : feed;
    if (lineEnd - start > MAX_LINE_BYTES) {
      const end = characterBoundary(buffer, start, start + MAX_LINE_BYTES);
      consumer.line(buffer, start, end, observedMs, base + start);
      start = end;
      position.midLine = true;
    } else if (feed === -1) {
      return;
    } else {
      const end = feed > start && buffer[feed - 1] === CARRIAGE_RETURN ? feed - 1 : feed;
      // A terminator right behind a part belongs to that part's line.
      if (!position.midLine || end > start) consumer.line(buffer, start, end, observedMs, base + start);
      start = feed + 1;
      position.midLine = false;
    }
    if (position.inHole === true) position.inHole = false;
    position.offsetBytes = base + start;
    afterLine(start - lineStart);
  }
}

function behindZeros(piece: Buffer, start: number): number {
  let at = start;
  while (at < piece.length && piece[at] === 0) at += 1;
  return at;
}

/**
 * Hands out a last line that has no terminator: `buffer[0, length)` begins at the position and has no line feed.
 */
export function flushLine(
  buffer: Buffer,
  length: number,
  position: LinePosition,
  consumer: LineConsumer,
  observedMs: number,
): void {
  if (length === 0) return;
  const end = buffer[length - 1] === CARRIAGE_RETURN ? length - 1 : length;
  if (end > 0) consumer.line(buffer, 0, end, observedMs, position.offsetBytes);
  // A lone carriage return is left in place: it may be the first half of a terminator.
  position.offsetBytes += end;
  if (end > 0) position.midLine = true;
}

/** The last place at or before `end` that is not inside a UTF-8 character; `end` itself when the bytes are not UTF-8. */
function characterBoundary(buffer: Buffer, start: number, end: number): number {
  for (let at = end; at > end - 4 && at > start; at--) {
    if (((buffer[at] ?? 0) & 0xc0) !== 0x80) return at;
  }
  return end;
}
