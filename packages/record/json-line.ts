/**
 * Lines that are a JSON object: time, severity, service, host, trace and message are lifted out of the keys that common
 * loggers use; what remains becomes attributes, flattened with dots.
 *
 * Invariants: bounded in number and depth, whatever the object; a line that is no such object is left to be plain; one
 * that nests deeper than {@link MAX_JSON_NESTING} keeps what was lifted out of it and is all in the body.
 */
import { readUnixDigits } from './event-time.ts';
import type { LineContext } from './line-context.ts';
import { DROPPED_COUNT, foreignKey, TIME_REFUSED } from './marks.ts';
import { severityOfSyslog, severityOfText } from './severity.ts';
import { readIso } from './timestamp.ts';

/** Attributes of one record; the rest is only counted (`dropped_attributes_count`). Real loggers write some dozens. */
export const MAX_JSON_ATTRIBUTES = 128;
/** Deeper objects become JSON text: names with more dots are of no use in a search. */
const MAX_JSON_DEPTH = 5;
/**
 * Lists and objects inside of each other in the text of one attribute. Writing JSON recurses, and programs that read it
 * have such limits of their own; what people and loggers write nests less than twenty deep.
 */
export const MAX_JSON_NESTING = 100;
/** Longer services and hosts are no names: kept as attributes, so that tables by name stay small. */
const MAX_NAME_LENGTH = 256;
/** Longer names are cut: they are values that got into the wrong place. */
export const MAX_JSON_KEY_LENGTH = 128;

type Role = 'time' | 'level' | 'service' | 'host' | 'message' | 'traceId' | 'spanId' | 'traceFlags';

/** What a flattened key (in lower case) is for. */
const ROLES: ReadonlyMap<string, Role> = new Map<string, Role>([
  ...['time', 'timestamp', 'ts', '@timestamp', 'datetime', 'date', 'eventtime', 'asctime'].map(
    (key): [string, Role] => [key, 'time'],
  ),
  ...['level', 'severity', 'lvl', 'log.level', 'levelname', 'loglevel', 'severity_text', 'severitytext'].map(
    (key): [string, Role] => [key, 'level'],
  ),
  ...['service', 'service.name', 'service_name', 'logger', 'logger.name', 'app'].map(
    (key): [string, Role] => [key, 'service'],
  ),
  ...['host', 'hostname', 'host.name'].map((key): [string, Role] => [key, 'host']),
  ...['message', 'msg', 'log', 'body'].map((key): [string, Role] => [key, 'message']),
  ...['trace_id', 'traceid', 'trace.id'].map((key): [string, Role] => [key, 'traceId']),
  ...['span_id', 'spanid', 'span.id'].map((key): [string, Role] => [key, 'spanId']),
  ...['trace_flags', 'traceflags'].map((key): [string, Role] => [key, 'traceFlags']),
]);

/** Of several keys for one role the earliest of these wins, wherever it stands in the line. */
const MESSAGE_RANKS = ['message', 'msg', 'log', 'body'];
const SERVICE_RANKS = ['service.name', 'service_name', 'service', 'app', 'logger.name', 'logger'];

/** Numeric levels of pino and bunyan. */
const NODE_LEVELS: ReadonlyMap<number, number> = new Map([
  [10, 1],
  [20, 5],
  [30, 9],
  [40, 13],
  [50, 17],
  [60, 21],
]);

/** Reads the line as a JSON object. @returns false when it is none. */
export function readJsonLine(line: LineContext): boolean {
  let value: unknown;
  const text = line.buffer.toString('utf8', line.start, line.end);
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  // Not null, not a number, not an array.
  if (!isObject(value)) return false;
  new Reading(line, text).object(value);
  return true;
}

class Reading {
  readonly #line: LineContext;
  readonly #text: string;
  #messageKey: string | undefined;
  #serviceKey: string | undefined;
  #timed = false;
  /** A time that was read and cannot be that of an event. */
  #refusedTime: string | undefined;
  #dropped = 0;
  #tooDeep = false;

  constructor(line: LineContext, text: string) {
    this.#line = line;
    this.#text = text;
  }

  object(value: Record<string, unknown>): void {
    this.#flatten(value, '', 1);
    const attributes = this.#line.fields.attributes;
    if (this.#dropped > 0) attributes.addText(DROPPED_COUNT, String(this.#dropped));
    if (!this.#timed && this.#refusedTime !== undefined) attributes.addText(TIME_REFUSED, this.#refusedTime);
    if (this.#tooDeep) this.#line.markUnparsed(`JSON nested deeper than ${MAX_JSON_NESTING}`);
  }

  #flatten(object: Record<string, unknown>, prefix: string, depth: number): void {
    for (const name in object) {
      const value = object[name];
      if (value === null) continue;
      const key = (prefix === '' ? name : `${prefix}.${name}`).slice(0, MAX_JSON_KEY_LENGTH);
      if (isObject(value) && depth < MAX_JSON_DEPTH) {
        this.#flatten(value, key, depth + 1);
      } else if (!this.#lift(key, value)) {
        this.#keepValue(key, value);
      }
    }
  }

  #keepValue(key: string, value: unknown): void {
    if (typeof value === 'string') this.#keep(key, value);
    else if (nestsDeeper(value, MAX_JSON_NESTING)) this.#tooDeep = true;
    else this.#keep(key, JSON.stringify(value));
  }

  #keep(key: string, text: string): void {
    const { attributes, constantAttributes } = this.#line.fields;
    if (attributes.count < MAX_JSON_ATTRIBUTES)
      attributes.addText(foreignKey(key, constantAttributes.keys), text);
    else this.#dropped += 1;
  }

  /** Whether the value has a place of its own in a record and was put there. */
  #lift(key: string, value: unknown): boolean {
    const lower = key.toLowerCase();
    switch (ROLES.get(lower)) {
      case undefined:
        return false;
      case 'time':
        return this.#time(value);
      case 'level':
        return this.#level(value);
      case 'message':
        return this.#message(lower, value);
      case 'service':
        return this.#service(lower, value);
      case 'host':
        if (!isName(value)) return false;
        this.#line.host = value;
        return true;
      case 'traceId': {
        const id = hexId(value, 32);
        this.#line.fields.traceId = id ?? this.#line.fields.traceId;
        return id !== undefined;
      }
      case 'spanId': {
        const id = hexId(value, 16);
        this.#line.fields.spanId = id ?? this.#line.fields.spanId;
        return id !== undefined;
      }
      case 'traceFlags': {
        const flags = typeof value === 'string' ? Number.parseInt(value, 16) : Number(value);
        if (!Number.isInteger(flags) || flags < 0 || flags > 255) return false;
        this.#line.fields.traceFlags = flags;
        return true;
      }
    }
  }

  #time(value: unknown): boolean {
    if (this.#timed) return false;
    if (typeof value === 'number') this.#timed = takeUnixTime(this.#line, digitsOf(value, this.#text));
    else if (typeof value === 'string') this.#timed = this.#timeText(value);
    return this.#timed;
  }

  #timeText(text: string): boolean {
    if (text.length > TIME_TEXT_BYTES) return false;
    const line = this.#line;
    const length = timeText.write(text, 'latin1');
    if (!readIso(timeText, 0, length, line.calendar, line.time)) return takeUnixTime(line, text);
    if (line.takeEventTime()) return true;
    this.#refusedTime ??= text;
    return false;
  }

  #level(value: unknown): boolean {
    const fields = this.#line.fields;
    if (fields.severityText !== '') return false;
    const text = String(value);
    const severity = typeof value === 'number' ? severityOfNumber(value) : severityOfText(text);
    if (typeof value !== 'number' && typeof value !== 'string') return false;
    if (severity === 0) return false;
    fields.severityNumber = severity;
    fields.severityText = text;
    return true;
  }

  #message(key: string, value: unknown): boolean {
    if (typeof value !== 'string') return false;
    const fields = this.#line.fields;
    const known = this.#messageKey;
    if (known !== undefined) {
      if (MESSAGE_RANKS.indexOf(known) <= MESSAGE_RANKS.indexOf(key)) return false;
      this.#keep(known, fields.bodyText ?? '');
    }
    this.#messageKey = key;
    // What containers write ends with the line feed of the line inside.
    fields.bodyText = value.endsWith('\n') ? value.slice(0, -1) : value;
    return true;
  }

  #service(key: string, value: unknown): boolean {
    if (!isName(value)) return false;
    const fields = this.#line.fields;
    const known = this.#serviceKey;
    if (known !== undefined) {
      if (SERVICE_RANKS.indexOf(known) <= SERVICE_RANKS.indexOf(key)) return false;
      this.#keep(known, fields.serviceName);
    }
    this.#serviceKey = key;
    fields.serviceName = value;
    return true;
  }
}

/** Levels of pino and bunyan, else of syslog (0..7). */
function severityOfNumber(level: number): number {
  return NODE_LEVELS.get(level) ?? severityOfSyslog(level);
}

/** Takes over a unix time; see {@link readUnixDigits}. A number that is none, or cannot be an event's, is no time. */
function takeUnixTime(line: LineContext, digits: string): boolean {
  return readUnixDigits(digits, line.time) && line.takeEventTime();
}

/** The number as it is written: nanoseconds have more digits than a number in memory holds. */
function digitsOf(value: number, text: string): string {
  if (!(value > Number.MAX_SAFE_INTEGER)) return String(value);
  for (const [digits] of text.matchAll(/(?<!\d)\d{19}(?!\d)/g)) if (Number(digits) === value) return digits;
  return String(value);
}

const TIME_TEXT_BYTES = 40;
const timeText = Buffer.alloc(TIME_TEXT_BYTES);

/** Whether lists and objects are inside of each other more than `limit` times. Recurses no deeper than that. */
function nestsDeeper(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (limit === 0) return true;
  if (Array.isArray(value)) return value.some((item) => nestsDeeper(item, limit - 1));
  for (const item of Object.values(value)) if (nestsDeeper(item, limit - 1)) return true;
  return false;
}

/** What can name a service or a host. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH;
}

/** An id as hex digits of the right number that are not all zero. */
function hexId(value: unknown, digits: number): string | undefined {
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]+$/i.test(value)) return undefined;
  return /^0+$/.test(value) ? undefined : value.toLowerCase();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
