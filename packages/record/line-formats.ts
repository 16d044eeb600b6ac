/**
 * The formats of log lines. Each function says whether the line has its format and, when it has, leaves time, severity,
 * service, host and process in the context.
 *
 * Invariants: a function that returns false has added no attribute and set no field (it decides by the time, which
 * comes first); no function reads past the end of the line into what it takes.
 */
import {
  byteAt,
  COLON,
  isDigit,
  isLetter,
  LEFT_BRACKET,
  RIGHT_BRACKET,
  SPACE,
  skipDigits,
  skipSpaces,
} from './bytes.ts';
import { readJsonLine } from './json-line.ts';
import type { LineContext } from './line-context.ts';
import { severityOfLetter, severityOfSyslog, textOfSyslog } from './severity.ts';
import {
  readAccess,
  readCompact,
  readCtime,
  readIso,
  readMonthDay,
  readShortYear,
  readSyslog,
} from './timestamp.ts';

export type LineFormat = (line: LineContext) => boolean;

const PROCESS_ID = 'process.pid';
const THREAD_ID = 'thread.id';
/** A program's name in syslog is at most 48 characters in RFC 5424; names beyond this are no names. */
const MAX_NAME_BYTES = 128;
/** The time of an access log stands behind an address, an identity and a user. */
const MAX_ACCESS_PREFIX_BYTES = 256;
const MICROSECOND_DIGITS = 6;

/** `2026-01-02 03:04:05,678 INFO ...`, also in brackets; and what rsyslog writes: the time, then as syslog. */
function isoLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  const bracketed = byteAt(buffer, start) === LEFT_BRACKET;
  const at = bracketed ? start + 1 : start;
  if (!readIso(buffer, at, end, line.calendar, time)) return false;
  line.takeTime(at);
  const behind = time.end + (bracketed && byteAt(buffer, time.end) === RIGHT_BRACKET ? 1 : 0);
  if (byteAt(buffer, start + 10) === 0x54 && programAt(line, behind)) return true;
  line.takeSeverityFrom(behind);
  return true;
}

/** ` HOST PROGRAM[PID]:` behind an ISO time. Without a PID only when the time is as rsyslog writes it. */
function programAt(line: LineContext, at: number): boolean {
  const { buffer, end, time } = line;
  if (byteAt(buffer, at) !== SPACE) return false;
  const hostEnd = wordEnd(buffer, at + 1, end);
  if (hostEnd === at + 1 || byteAt(buffer, hostEnd) !== SPACE) return false;
  const program = hostEnd + 1;
  let next = program;
  while (next < end && isNameByte(byteAt(buffer, next))) next += 1;
  if (next === program || next - program > MAX_NAME_BYTES) return false;
  const hasProcess = byteAt(buffer, next) === LEFT_BRACKET && isDigit(byteAt(buffer, next + 1));
  const asRsyslog = time.numericZone && time.fractionDigits === MICROSECOND_DIGITS;
  if (!hasProcess && !(asRsyslog && byteAt(buffer, next) === COLON)) return false;
  takeHostAndProgram(line, at + 1);
  return true;
}

/** `[Sun Dec 04 04:47:44 2005] [notice] ...`, with or without brackets. */
function ctimeLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  const bracketed = byteAt(buffer, start) === LEFT_BRACKET;
  const at = bracketed ? start + 1 : start;
  if (!readCtime(buffer, at, end, line.calendar, time)) return false;
  line.takeTime(at);
  line.takeSeverityFrom(time.end + (bracketed && byteAt(buffer, time.end) === RIGHT_BRACKET ? 1 : 0));
  return true;
}

/** `Jun 14 15:16:01 combo sshd(pam_unix)[19939]: ...`. */
function syslogLine(line: LineContext): boolean {
  return syslogAt(line, line.start);
}

function syslogAt(line: LineContext, at: number): boolean {
  const { buffer, end, time } = line;
  if (!readSyslog(buffer, at, end, line.calendar, time, line.observedMs)) return false;
  line.takeTime(at);
  if (byteAt(buffer, time.end) === SPACE) takeHostAndProgram(line, time.end + 1);
  return true;
}

/** `<34>` and then the new syslog (`1 TIME HOST APP PROCESS MESSAGE-ID`), or the old one. */
function priorityLine(line: LineContext): boolean {
  const { buffer, start, end } = line;
  const close = skipDigits(buffer, start + 1, Math.min(end, start + 4));
  if (close === start + 1 || close >= end || byteAt(buffer, close) !== 0x3e) return false;
  let priority = 0;
  for (let at = start + 1; at < close; at += 1) priority = priority * 10 + byteAt(buffer, at) - 0x30;
  if (priority > 191) return false;
  const behind = close + 1;
  const isNew = byteAt(buffer, behind) === 0x31 && byteAt(buffer, behind + 1) === SPACE;
  if (!(isNew ? newSyslogAt(line, behind + 2) : syslogAt(line, behind))) {
    if (!readIso(buffer, behind, end, line.calendar, line.time)) return false;
    line.takeTime(behind);
    takeHostAndProgram(line, line.time.end + 1);
  }
  line.fields.severityNumber = severityOfSyslog(priority & 7);
  line.fields.severityText = textOfSyslog(priority & 7);
  return true;
}

function newSyslogAt(line: LineContext, start: number): boolean {
  const { buffer, end, fields, interner } = line;
  let at = start;
  if (byteAt(buffer, at) === 0x2d) at += 1;
  else if (readIso(buffer, at, end, line.calendar, line.time)) {
    line.takeTime(at);
    at = line.time.end;
  } else return false;
  for (let field = 0; field < 3 && at < end; field += 1) {
    const from = at + 1;
    const to = wordEnd(buffer, from, end);
    const isNil = to - from === 1 && byteAt(buffer, from) === 0x2d;
    if (!isNil && to > from && to - from <= MAX_NAME_BYTES) {
      if (field === 0) line.host = interner.text(buffer, from, to);
      else if (field === 1) fields.serviceName = interner.text(buffer, from, to);
      else fields.attributes.addRange(PROCESS_ID, from, to);
    }
    at = to;
  }
  return true;
}

/** `HOST PROGRAM(module)[PID]: message`. A severity counts only as the message's first word, in brackets or capitals. */
function takeHostAndProgram(line: LineContext, start: number): void {
  const { buffer, end, fields, interner } = line;
  const hostEnd = wordEnd(buffer, start, end);
  if (hostEnd === start || hostEnd - start > MAX_NAME_BYTES || byteAt(buffer, hostEnd - 1) === COLON) return;
  line.host = interner.text(buffer, start, hostEnd);
  const program = skipSpaces(buffer, hostEnd, end);
  let at = program;
  let letters = 0;
  while (at < end && isNameByte(byteAt(buffer, at))) {
    if (isLetter(byteAt(buffer, at))) letters += 1;
    at += 1;
  }
  if (letters === 0 || at - program > MAX_NAME_BYTES) return;
  fields.serviceName = interner.text(buffer, program, at);
  if (byteAt(buffer, at) === 0x28) {
    const limit = Math.min(end, at + MAX_NAME_BYTES);
    while (at < limit && byteAt(buffer, at) !== 0x29) at += 1;
    at += 1;
  }
  if (byteAt(buffer, at) === LEFT_BRACKET) {
    const digits = skipDigits(buffer, at + 1, end);
    if (digits > at + 1 && digits < end && byteAt(buffer, digits) === RIGHT_BRACKET) {
      fields.attributes.addRange(PROCESS_ID, at + 1, digits);
      at = digits + 1;
    }
  }
  if (at >= end || byteAt(buffer, at) !== COLON) return;
  const message = skipSpaces(buffer, at + 1, end);
  // In lower case it is how the program words its message (`error: Received disconnect`), not a level.
  const first = byteAt(buffer, message);
  if (first < 0x61 || first > 0x7a) line.takeSeverityFrom(message, 0);
}

/** `17/06/09 20:10:40 INFO ...`. */
function shortYearLine(line: LineContext): boolean {
  if (!readShortYear(line.buffer, line.start, line.end, line.calendar, line.time)) return false;
  line.takeTime(line.start);
  line.takeSeverityFrom(line.time.end);
  return true;
}

/** `081109 203615 148 INFO ...`. */
function compactLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  if (!readCompact(buffer, start, end, line.calendar, time)) return false;
  line.takeTime(start);
  const from = time.end + 1;
  const to = skipDigits(buffer, from, end);
  const hasProcess = to > from && byteAt(buffer, to) === SPACE;
  if (hasProcess) line.fields.attributes.addRange(PROCESS_ID, from, to);
  line.takeSeverityFrom(hasProcess ? to : time.end);
  return true;
}

/** `03-17 16:13:38.811  1702  2395 D WindowManager: ...`. */
function androidLine(line: LineContext): boolean {
  const { buffer, start, end, time, fields } = line;
  if (!readMonthDay(buffer, start, end, line.calendar, time, line.observedMs, true)) return false;
  line.takeTime(start);
  const process = skipSpaces(buffer, time.end, end);
  const processEnd = skipDigits(buffer, process, end);
  const thread = skipSpaces(buffer, processEnd, end);
  const threadEnd = skipDigits(buffer, thread, end);
  const letter = skipSpaces(buffer, threadEnd, end);
  const isAndroid =
    processEnd > process && threadEnd > thread && letter > threadEnd && byteAt(buffer, letter + 1) === SPACE;
  if (!isAndroid || letter + 1 >= end) {
    line.takeSeverityFrom(time.end);
    return true;
  }
  fields.attributes.addRange(PROCESS_ID, process, processEnd);
  fields.attributes.addRange(THREAD_ID, thread, threadEnd);
  const severity = severityOfLetter(byteAt(buffer, letter));
  if (severity > 0) line.takeSeverity(severity, letter, letter + 1);
  return true;
}

/** `I0102 15:04:05.000000    1234 file.go:12] ...`. */
function klogLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  const severity = severityOfLetter(byteAt(buffer, start));
  if (severity === 0) return false;
  if (!readMonthDay(buffer, start + 1, end, line.calendar, time, line.observedMs, false)) return false;
  line.takeTime(start + 1);
  line.takeSeverity(severity, start, start + 1);
  const from = skipSpaces(buffer, time.end, end);
  const to = skipDigits(buffer, from, end);
  if (to > from && to < end && byteAt(buffer, to) === SPACE)
    line.fields.attributes.addRange(PROCESS_ID, from, to);
  return true;
}

/** `127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET ...`. */
function accessLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  const limit = Math.min(end, start + MAX_ACCESS_PREFIX_BYTES);
  for (let at = start; at < limit; at += 1) {
    const byte = byteAt(buffer, at);
    if (byte === 0x22) return false;
    if (byte !== LEFT_BRACKET || !isDigit(byteAt(buffer, at + 1))) continue;
    if (!readAccess(buffer, at + 1, end, line.calendar, time)) continue;
    line.takeTime(at + 1);
    return true;
  }
  return false;
}

/** `INFO 2026-01-02 ...`, `[ERROR] ...`, `WARN: ...`, `time=... level=info ...`: the severity comes first. */
function leadingSeverityLine(line: LineContext): boolean {
  const { buffer, start, end, time } = line;
  let at = start;
  let timed = false;
  if (byteAt(buffer, at) === 0x74) {
    const value = logfmtTime(line);
    if (value > 0) {
      if (!readIso(buffer, value, end, line.calendar, time)) return false;
      line.takeTime(value);
      timed = true;
      at = time.end + (byteAt(buffer, time.end) === 0x22 ? 1 : 0);
    }
  }
  if (!line.takeSeverityFrom(at, 0)) return timed;
  if (timed) return true;
  let behind = line.place.end;
  while (behind < end && !isDigit(byteAt(buffer, behind)) && !isLetter(byteAt(buffer, behind))) behind += 1;
  if (readIso(buffer, behind, end, line.calendar, time)) line.takeTime(behind);
  return true;
}

/** The offset of the time behind `time=`, `ts=`, with or without a quotation mark; or 0. */
function logfmtTime(line: LineContext): number {
  const { buffer, start, end } = line;
  for (const key of TIME_KEYS) {
    let at = 0;
    while (at < key.length && key[at] === buffer[start + at]) at += 1;
    if (at < key.length || start + at >= end) continue;
    return start + at + (byteAt(buffer, start + at) === 0x22 ? 1 : 0);
  }
  return 0;
}
const TIME_KEYS = ['time=', 'ts=', 'timestamp='].map((key) => Buffer.from(key));

/** The offset of the next space. */
function wordEnd(buffer: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && byteAt(buffer, at) !== SPACE) at += 1;
  return at;
}

function isNameByte(byte: number): boolean {
  return byte > SPACE && byte !== LEFT_BRACKET && byte !== COLON && byte !== 0x28;
}

/** A line that begins with two digits and then this byte. */
function formatsOfDigits(third: number): readonly LineFormat[] {
  if (third === 0x2f) return SHORT_YEAR_FIRST;
  return third === 0x2d ? ANDROID_FIRST : ISO_FIRST;
}

const ISO_FIRST: readonly LineFormat[] = [isoLine, compactLine, accessLine];
const SHORT_YEAR_FIRST: readonly LineFormat[] = [shortYearLine, accessLine];
const ANDROID_FIRST: readonly LineFormat[] = [androidLine, accessLine];
const BRACKETED: readonly LineFormat[] = [ctimeLine, isoLine, accessLine, leadingSeverityLine];
const PRIORITY: readonly LineFormat[] = [priorityLine, leadingSeverityLine];
const JSON_OBJECT: readonly LineFormat[] = [readJsonLine];
const LETTERS: readonly LineFormat[] = [syslogLine, ctimeLine, klogLine, leadingSeverityLine, accessLine];
const OTHERS: readonly LineFormat[] = [accessLine];
const NONE: readonly LineFormat[] = [];

/** The formats that a line may have, by how it begins. */
export function candidateFormats(buffer: Uint8Array, start: number, end: number): readonly LineFormat[] {
  if (end === start) return NONE;
  const first = byteAt(buffer, start);
  if (isDigit(first)) return formatsOfDigits(byteAt(buffer, start + 2));
  if (first === 0x7b) return JSON_OBJECT;
  if (first === LEFT_BRACKET) return BRACKETED;
  if (first === 0x3c) return PRIORITY;
  return isLetter(first) ? LETTERS : OTHERS;
}
