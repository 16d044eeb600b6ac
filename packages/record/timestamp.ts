/**
 * The notations of time in log lines, read from bytes. Each function reads one notation at `at` and, when it is there,
 * leaves time and end in the result.
 */
import { byteAt, COLON, fourDigits, HYPHEN, isDigit, SPACE, skipDigits, twoDigits } from './bytes.ts';
import type { Calendar } from './calendar.ts';

const NO_ZONE = Number.NaN;

/** What was read; reused. */
export class TimeReading {
  seconds = 0;
  nanos = 0;
  /** The offset behind the notation. */
  end = 0;
  /** Digits of the fraction, 0 for none. */
  fractionDigits = 0;
  /** The line states its zone as a numeric offset. */
  numericZone = false;
  /** The line states no zone, or no year: they are those of this computer. */
  assumed = false;
}

/** `HH:MM:SS` as the second of the day, or -1. A leap second counts as the one before. */
function clock(buffer: Uint8Array, at: number): number {
  const hour = twoDigits(buffer, at);
  const minute = twoDigits(buffer, at + 3);
  const second = twoDigits(buffer, at + 6);
  if (byteAt(buffer, at + 2) !== COLON || byteAt(buffer, at + 5) !== COLON) return -1;
  return secondOfDay(hour, minute, second);
}

function secondOfDay(hour: number, minute: number, second: number): number {
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
  return hour * 3600 + minute * 60 + (second === 60 ? 59 : second);
}

const NANOS_OF_DIGIT = [0, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1];

/** Reads `.123` or `,123456789` at `at`, when it is there; digits past the ninth are skipped. */
function fraction(buffer: Uint8Array, at: number, end: number, reading: TimeReading): void {
  reading.nanos = 0;
  reading.fractionDigits = 0;
  reading.end = at;
  const mark = byteAt(buffer, at);
  if (at + 1 >= end || (mark !== 0x2e && mark !== 0x2c) || !isDigit(byteAt(buffer, at + 1))) return;
  let next = at + 1;
  let nanos = 0;
  while (next < end && isDigit(byteAt(buffer, next))) {
    if (next - at <= 9) nanos += (byteAt(buffer, next) - 0x30) * (NANOS_OF_DIGIT[next - at] ?? 0);
    next += 1;
  }
  reading.nanos = nanos;
  reading.fractionDigits = Math.min(9, next - at - 1);
  reading.end = next;
}

/** Reads `Z`, `+01:00`, ` -0700`, ` UTC`, ` GMT+2` at `reading.end`; the offset in seconds, or NaN when there is none. */
function zone(buffer: Uint8Array, end: number, reading: TimeReading): number {
  let at = reading.end;
  reading.numericZone = false;
  if (at >= end) return NO_ZONE;
  if (byteAt(buffer, at) === 0x5a) {
    reading.end = at + 1;
    return 0;
  }
  if (byteAt(buffer, at) === SPACE) {
    at += 1;
    if (at + 3 <= end && isUtcName(buffer, at)) {
      reading.end = at + 3;
      return behindUtcName(buffer, end, reading);
    }
  }
  return numericOffset(buffer, at, end, reading);
}

/** `+01:00` or `-0700` at `at`. */
function numericOffset(buffer: Uint8Array, at: number, end: number, reading: TimeReading): number {
  if (!isSign(byteAt(buffer, at)) || at + 5 > end) return NO_ZONE;
  const hours = twoDigits(buffer, at + 1);
  const colon = byteAt(buffer, at + 3) === COLON ? 1 : 0;
  const minutes = twoDigits(buffer, at + 3 + colon);
  if (hours < 0 || minutes < 0 || at + 5 + colon > end) return NO_ZONE;
  reading.numericZone = true;
  return offsetSeconds(buffer, at, hours, minutes, at + 5 + colon, reading);
}

/** `GMT+2`, `UTC+02`, `GMT+2:30`, as Java and others name zones; the name alone is UTC. */
function behindUtcName(buffer: Uint8Array, end: number, reading: TimeReading): number {
  const at = reading.end;
  const hoursEnd = skipDigits(buffer, at + 1, Math.min(end, at + 3));
  if (at >= end || !isSign(byteAt(buffer, at)) || hoursEnd <= at + 1) return 0;
  const numeric = numericOffset(buffer, at, end, reading);
  if (!Number.isNaN(numeric)) return numeric;
  const ones = byteAt(buffer, hoursEnd - 1) - 0x30;
  const hours = hoursEnd === at + 3 ? twoDigits(buffer, at + 1) : ones;
  const minutes =
    byteAt(buffer, hoursEnd) === COLON && hoursEnd + 3 <= end ? twoDigits(buffer, hoursEnd + 1) : -1;
  const behind = minutes < 0 ? hoursEnd : hoursEnd + 3;
  return offsetSeconds(buffer, at, hours, Math.max(0, minutes), behind, reading);
}

function offsetSeconds(
  buffer: Uint8Array,
  sign: number,
  hours: number,
  minutes: number,
  behind: number,
  reading: TimeReading,
): number {
  if (hours > 18 || minutes > 59) {
    reading.numericZone = false;
    return NO_ZONE;
  }
  reading.end = behind;
  return (byteAt(buffer, sign) === HYPHEN ? -1 : 1) * (hours * 3600 + minutes * 60);
}

function isSign(byte: number): boolean {
  return byte === 0x2b || byte === HYPHEN;
}

/** `UTC` or `GMT`, as a word of its own. */
function isUtcName(buffer: Uint8Array, at: number): boolean {
  const [a, b, c] = [byteAt(buffer, at), byteAt(buffer, at + 1), byteAt(buffer, at + 2)];
  const named = (a === 0x55 && b === 0x54 && c === 0x43) || (a === 0x47 && b === 0x4d && c === 0x54);
  return named && !isDigit(byteAt(buffer, at + 3));
}

function finish(reading: TimeReading, seconds: number, assumed: boolean): boolean {
  reading.seconds = seconds;
  reading.assumed = assumed;
  // Before 1970 too: whether an event can have happened then is not a question of notation.
  return !Number.isNaN(seconds);
}

/** `2026-01-02T03:04:05.678Z`, with a space or T, with `/` for `-`, with a comma, with or without a zone. */
export function readIso(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
): boolean {
  if (end - at < 19) return false;
  const separator = byteAt(buffer, at + 4);
  if ((separator !== HYPHEN && separator !== 0x2f) || byteAt(buffer, at + 7) !== separator) return false;
  const middle = byteAt(buffer, at + 10);
  if (middle !== SPACE && (middle | 0x20) !== 0x74) return false;
  const year = fourDigits(buffer, at);
  const month = twoDigits(buffer, at + 5);
  const day = twoDigits(buffer, at + 8);
  const second = clock(buffer, at + 11);
  if (year < 0 || month < 0 || day < 0 || second < 0) return false;
  fraction(buffer, at + 19, end, reading);
  const offsetSeconds = zone(buffer, end, reading);
  const seconds = calendar.seconds(year, month, day, second, offsetSeconds);
  return finish(reading, seconds, Number.isNaN(offsetSeconds));
}

/** `17/06/09 20:10:40`: year, month, day. */
export function readShortYear(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
): boolean {
  if (end - at < 17 || byteAt(buffer, at + 2) !== 0x2f || byteAt(buffer, at + 5) !== 0x2f) return false;
  if (byteAt(buffer, at + 8) !== SPACE) return false;
  const year = twoDigits(buffer, at);
  const month = twoDigits(buffer, at + 3);
  const day = twoDigits(buffer, at + 6);
  const second = clock(buffer, at + 9);
  if (year < 0 || month < 0 || day < 0 || second < 0) return false;
  fraction(buffer, at + 17, end, reading);
  return finish(reading, calendar.seconds(fullYear(year), month, day, second, NO_ZONE), true);
}

/** `081109 203615`. */
export function readCompact(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
): boolean {
  if (end - at < 14 || byteAt(buffer, at + 6) !== SPACE || byteAt(buffer, at + 13) !== SPACE) return false;
  const year = twoDigits(buffer, at);
  const month = twoDigits(buffer, at + 2);
  const day = twoDigits(buffer, at + 4);
  const second = secondOfDay(
    twoDigits(buffer, at + 7),
    twoDigits(buffer, at + 9),
    twoDigits(buffer, at + 11),
  );
  if (year < 0 || month < 0 || day < 0 || second < 0) return false;
  reading.nanos = 0;
  reading.end = at + 13;
  return finish(reading, calendar.seconds(fullYear(year), month, day, second, NO_ZONE), true);
}

/** As POSIX reads two digits. */
function fullYear(year: number): number {
  return year < 69 ? 2000 + year : 1900 + year;
}

/** `Sun Dec 04 04:47:44 2005`, with or without a fraction. */
export function readCtime(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
): boolean {
  if (end - at < 24 || byteAt(buffer, at + 3) !== SPACE || byteAt(buffer, at + 7) !== SPACE) return false;
  const month = monthAt(buffer, at + 4);
  const day = dayAt(buffer, at + 8);
  const second = clock(buffer, at + 11);
  if (month < 0 || day < 0 || second < 0) return false;
  fraction(buffer, at + 19, end, reading);
  const year = fourDigits(buffer, reading.end + 1);
  if (reading.end + 5 > end || byteAt(buffer, reading.end) !== SPACE || year < 0) return false;
  reading.end += 5;
  return finish(reading, calendar.seconds(year, month, day, second, NO_ZONE), true);
}

/** `Jun 14 15:16:01`, `Jun  4 15:16:01`: the time of syslog, without a year. */
export function readSyslog(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
  observedMs: number,
): boolean {
  if (end - at < 15 || byteAt(buffer, at + 3) !== SPACE || byteAt(buffer, at + 6) !== SPACE) return false;
  const month = monthAt(buffer, at);
  const day = dayAt(buffer, at + 4);
  const second = clock(buffer, at + 7);
  if (month < 0 || day < 0 || second < 0) return false;
  fraction(buffer, at + 15, end, reading);
  return finish(reading, calendar.secondsWithoutYear(month, day, second, observedMs), true);
}

/** `03-17 16:13:38.811` (`separated`) or `0102 15:04:05.000000`: month and day without a year. */
export function readMonthDay(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
  observedMs: number,
  separated: boolean,
): boolean {
  const gap = separated ? 1 : 0;
  if (end - at < 13 + gap || byteAt(buffer, at + 4 + gap) !== SPACE) return false;
  if (separated && byteAt(buffer, at + 2) !== HYPHEN) return false;
  const month = twoDigits(buffer, at);
  const day = twoDigits(buffer, at + 2 + gap);
  const second = clock(buffer, at + 5 + gap);
  if (month < 0 || day < 0 || second < 0) return false;
  fraction(buffer, at + 13 + gap, end, reading);
  return finish(reading, calendar.secondsWithoutYear(month, day, second, observedMs), true);
}

/** `10/Oct/2000:13:55:36 -0700`: the time of access logs. */
export function readAccess(
  buffer: Uint8Array,
  at: number,
  end: number,
  calendar: Calendar,
  reading: TimeReading,
): boolean {
  if (end - at < 26 || byteAt(buffer, at + 2) !== 0x2f || byteAt(buffer, at + 6) !== 0x2f) return false;
  if (byteAt(buffer, at + 11) !== COLON) return false;
  const day = twoDigits(buffer, at);
  const month = monthAt(buffer, at + 3);
  const year = fourDigits(buffer, at + 7);
  const second = clock(buffer, at + 12);
  if (day < 0 || month < 0 || year < 0 || second < 0) return false;
  fraction(buffer, at + 20, end, reading);
  const offsetSeconds = zone(buffer, end, reading);
  const seconds = calendar.seconds(year, month, day, second, offsetSeconds);
  return finish(reading, seconds, Number.isNaN(offsetSeconds));
}

/** A day with a leading zero or space, or -1. */
function dayAt(buffer: Uint8Array, at: number): number {
  if (byteAt(buffer, at) !== SPACE) return twoDigits(buffer, at);
  const day = byteAt(buffer, at + 1);
  return isDigit(day) ? day - 0x30 : -1;
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const MONTH_CODES: readonly number[] = Array.from({ length: 12 }, (_, month) => {
  const name = Buffer.from(MONTHS.slice(3 * month, 3 * month + 3));
  return name.readUIntBE(0, 3);
});

/** The month 1..12 whose English abbreviation stands there, or -1. */
function monthAt(buffer: Uint8Array, at: number): number {
  const code = (byteAt(buffer, at) << 16) | (byteAt(buffer, at + 1) << 8) | byteAt(buffer, at + 2);
  const month = MONTH_CODES.indexOf(code);
  return month < 0 ? -1 : month + 1;
}
