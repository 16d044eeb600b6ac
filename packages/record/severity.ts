/**
 * Severities: the words that state one, where a line states it, and what class of urgency follows.
 *
 * Numbers are OpenTelemetry's; the syslog words map as in its appendix (critical: ERROR2, alert: ERROR3, emergency:
 * FATAL). A word in the prose of a message states nothing.
 */
import {
  byteAt,
  COLON,
  HYPHEN,
  isDigit,
  isLetter,
  LEFT_BRACKET,
  RIGHT_BRACKET,
  SPACE,
  TAB,
} from './bytes.ts';

const WORDS: ReadonlyMap<string, number> = new Map([
  ['trace', 1],
  ['verbose', 1],
  ['debug', 5],
  ['dbg', 5],
  ['info', 9],
  ['information', 9],
  ['notice', 10],
  ['warn', 13],
  ['warning', 13],
  ['error', 17],
  ['err', 17],
  ['severe', 17],
  ['critical', 18],
  ['crit', 18],
  ['alert', 19],
  ['fatal', 21],
  ['panic', 21],
  ['emerg', 21],
  ['emergency', 21],
]);
const MAX_WORD_BYTES = 11;
const MIN_WORD_BYTES = 3;

/** Severity of the numbers 0..7 of syslog. */
const SYSLOG_SEVERITIES = Uint8Array.of(21, 19, 18, 17, 13, 10, 9, 5);
const SYSLOG_TEXTS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

/** Words by first letter and length, so that a look-up compares with one or two. */
const BY_SHAPE: (Word[] | undefined)[] = [];
interface Word {
  readonly bytes: Buffer;
  readonly severity: number;
}
for (const [word, severity] of WORDS) {
  const bytes = Buffer.from(word);
  const shape = (bytes.readUInt8(0) << 4) | bytes.length;
  BY_SHAPE[shape] = [...(BY_SHAPE[shape] ?? []), { bytes, severity }];
}

/** The severity that the bytes are a word for, in any case, or 0. */
function severityOfWord(buffer: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < MIN_WORD_BYTES || length > MAX_WORD_BYTES) return 0;
  const words = BY_SHAPE[((byteAt(buffer, start) | 0x20) << 4) | length];
  if (words === undefined) return 0;
  for (const word of words) {
    let at = 1;
    while (at < length && word.bytes[at] === (byteAt(buffer, start + at) | 0x20)) at += 1;
    if (at === length) return word.severity;
  }
  return 0;
}

/** The same of text. */
export function severityOfText(text: string): number {
  return text.length > MAX_WORD_BYTES ? 0 : (WORDS.get(text.toLowerCase()) ?? 0);
}

/** Severity of syslog's number 0..7. */
export function severityOfSyslog(level: number): number {
  return SYSLOG_SEVERITIES[level] ?? 0;
}

export function textOfSyslog(level: number): string {
  return SYSLOG_TEXTS[level] ?? '';
}

/** Severity of Android's and klog's letters, or 0. */
export function severityOfLetter(byte: number): number {
  switch (byte) {
    case 0x56: // V
      return 1;
    case 0x44: // D
      return 5;
    case 0x49: // I
      return 9;
    case 0x57: // W
      return 13;
    case 0x45: // E
      return 17;
    case 0x46: // F
    case 0x41: // A
      return 21;
    default:
      return 0;
  }
}

/** Groups before the level: a thread, a process number, a zone, a logger's name. */
const MAX_GROUPS = 5;
/** Longer groups are no header. */
const MAX_GROUP_BYTES = 160;

/** Where a severity was found. */
export class SeverityPlace {
  severity = 0;
  start = 0;
  end = 0;
}

/**
 * Looks for the severity at its usual place, `start` being behind the time (or where a message begins): behind
 * separators, and behind at most `maxGroups` things that are no prose (bracketed groups, numbers, a zone, a name that a
 * separator follows).
 *
 * @returns whether `place` was set.
 */
export function findSeverity(
  buffer: Uint8Array,
  start: number,
  end: number,
  place: SeverityPlace,
  maxGroups: number = MAX_GROUPS,
): boolean {
  let at = start;
  for (let group = 0; group <= maxGroups; group += 1) {
    at = skipSeparators(buffer, at, end);
    const first = byteAt(buffer, at);
    if (at >= end) return false;
    if (first === LEFT_BRACKET || first === 0x28 || first === 0x3c) {
      const close = closing(buffer, at, end, first);
      if (close < 0) return false;
      if (wordInGroup(buffer, at + 1, close, place)) return true;
      at = close + 1;
    } else {
      const next = tokenEnd(buffer, at, end);
      if (next === at) return false;
      if (statesSeverity(buffer, at, next, end, place)) return true;
      if (!isHeaderToken(buffer, at, next, end)) return false;
      at = next;
    }
  }
  return false;
}

function skipSeparators(buffer: Uint8Array, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const byte = byteAt(buffer, at);
    const separates =
      byte === SPACE || byte === HYPHEN || byte === TAB || byte === COLON || byte === 0x7c || byte === 0x2c;
    if (!separates) break;
  }
  return at;
}

/** The offset of the bracket that closes the group, with brackets of its kind inside; or -1. */
function closing(buffer: Uint8Array, start: number, end: number, open: number): number {
  const close = open === LEFT_BRACKET ? RIGHT_BRACKET : open === 0x28 ? 0x29 : 0x3e;
  const limit = Math.min(end, start + MAX_GROUP_BYTES);
  let depth = 0;
  for (let at = start; at < limit; at += 1) {
    const byte = byteAt(buffer, at);
    if (byte === open) depth += 1;
    else if (byte === close) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

/** `[error]`, `[ WARN ]`, `[core:notice]`. */
function wordInGroup(buffer: Uint8Array, start: number, end: number, place: SeverityPlace): boolean {
  let from = start;
  let to = end;
  while (from < to && byteAt(buffer, from) === SPACE) from += 1;
  while (to > from && byteAt(buffer, to - 1) === SPACE) to -= 1;
  let word = to;
  while (word > from && isLetter(byteAt(buffer, word - 1))) word -= 1;
  if (word > from && byteAt(buffer, word - 1) !== COLON) return false;
  return take(buffer, word, to, place);
}

function tokenEnd(buffer: Uint8Array, start: number, end: number): number {
  let at = start;
  const limit = Math.min(end, start + MAX_GROUP_BYTES);
  for (; at < limit; at += 1) {
    const byte = byteAt(buffer, at);
    if (byte <= SPACE || byte === COLON || byte === LEFT_BRACKET || byte === 0x7c || byte === 0x2c) break;
  }
  return at;
}

/** `INFO`, `warn:`, `info<TAB>`, `level=error`. A word in lower case needs such a sign that it is no prose. */
function statesSeverity(
  buffer: Uint8Array,
  start: number,
  end: number,
  lineEnd: number,
  place: SeverityPlace,
): boolean {
  const equals = end - start > 4 && !isUpper(byteAt(buffer, start)) ? levelKeyEnd(buffer, start, end) : 0;
  if (equals > 0) return take(buffer, equals, end, place);
  if (severityOfWord(buffer, start, end) === 0) return false;
  const behind = end < lineEnd ? byteAt(buffer, end) : 0;
  const sure = isUpper(byteAt(buffer, end - 1)) || behind === COLON || behind === TAB || behind === 0x7c;
  return sure && take(buffer, start, end, place);
}

/** The offset behind `level=`, `lvl=` or `severity=`, or 0. */
function levelKeyEnd(buffer: Uint8Array, start: number, end: number): number {
  for (const key of LEVEL_KEYS) {
    let at = 0;
    while (at < key.length && key[at] === buffer[start + at]) at += 1;
    if (at === key.length && start + at < end) return start + at;
  }
  return 0;
}
const LEVEL_KEYS = ['level=', 'lvl=', 'severity='].map((key) => Buffer.from(key));

/** A number, a zone's name, or a name that a separator follows: the level may still come. */
function isHeaderToken(buffer: Uint8Array, start: number, end: number, lineEnd: number): boolean {
  let digits = 0;
  let upper = 0;
  for (let at = start; at < end; at += 1) {
    const byte = byteAt(buffer, at);
    if (isDigit(byte)) digits += 1;
    else if (isUpper(byte)) upper += 1;
  }
  const length = end - start;
  if (digits === length || (upper === length && length >= 3 && length <= 5)) return true;
  let at = end;
  while (at < lineEnd && byteAt(buffer, at) === SPACE) at += 1;
  const separator = byteAt(buffer, at);
  return (
    at < lineEnd &&
    at > end &&
    (separator === 0x7c || (separator === HYPHEN && byteAt(buffer, at + 1) === SPACE))
  );
}

function take(buffer: Uint8Array, start: number, end: number, place: SeverityPlace): boolean {
  const severity = severityOfWord(buffer, start, end);
  if (severity === 0) return false;
  place.severity = severity;
  place.start = start;
  place.end = end;
  return true;
}

function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
