/**
 * Lines that are a JSON object: time, severity, service, host, trace and message are lifted out of the keys that common
 * loggers use; what remains becomes attributes, flattened with dots.
 *
 * Invariant: bounded in number and depth, whatever the object; a line that is no such object is left to be plain.
 */
import type { LineContext } from './line-context.ts';
import { severityOfSyslog, severityOfText } from './severity.ts';
import { readIso } from './timestamp.ts';

/** Attributes of one record; the rest is only counted (`dropped_attributes_count`). Real loggers write some dozens. */
export const MAX_JSON_ATTRIBUTES = 128;
/** Deeper objects become JSON text: names with more dots are of no use in a search. */
export const MAX_JSON_DEPTH = 5;
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
  try {
    value = JSON.parse(line.buffer.toString('utf8', line.start, line.end));
  } catch {
    return false;
  }
  // Not null, not a number, not an array.
  if (!isObject(value)) return false;
  new Reading(line).object(value);
  return true;
}

class Reading {
  readonly #line: LineContext;
  #messageKey: string | undefined;
  #serviceKey: string | undefined;
  #timed = false;
  #dropped = 0;

  constructor(line: LineContext) {
    this.#line = line;
  }

  object(value: Record<string, unknown>): void {
    this.#flatten(value, '', 1);
    if (this.#dropped > 0) {
      this.#line.fields.attributes.addText('dropped_attributes_count', String(this.#dropped));
    }
  }

  #flatten(object: Record<string, unknown>, prefix: string, depth: number): void {
    for (const name in object) {
      const value = object[name];
      if (value === null) continue;
      const key = (prefix === '' ? name : `${prefix}.${name}`).slice(0, MAX_JSON_KEY_LENGTH);
      if (isObject(value) && depth < MAX_JSON_DEPTH) {
        this.#flatten(value, key, depth + 1);
      } else if (!this.#lift(key, value)) {
        this.#keep(key, typeof value === 'string' ? value : JSON.stringify(value));
      }
    }
  }

  #keep(key: string, text: string): void {
    const attributes = this.#line.fields.attributes;
    if (attributes.count < MAX_JSON_ATTRIBUTES) attributes.addText(key, text);
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
        if (typeof value !== 'string' || value === '') return false;
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
    this.#timed =
      typeof value === 'number'
        ? takeUnixTime(this.#line, value)
        : typeof value === 'string' && takeTimeText(this.#line, value);
    return this.#timed;
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
    if (typeof value !== 'string' || value === '') return false;
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

/** A unix time in seconds, milli-, micro- or nanoseconds, by its size. */
function takeUnixTime(line: LineContext, value: number): boolean {
  if (!(value > 0)) return false;
  const perSecond = value < 1e11 ? 1 : value < 1e14 ? 1e3 : value < 1e17 ? 1e6 : 1e9;
  const seconds = Math.floor(value / perSecond);
  line.fields.timestampSeconds = seconds;
  // Decimal fractions of a second are written to the microsecond at best; a double holds no more.
  const rest = value - seconds * perSecond;
  line.fields.timestampNanos =
    perSecond === 1 ? Math.min(999_999, Math.round(rest * 1e6)) * 1000 : Math.floor((rest * 1e9) / perSecond);
  return true;
}

const TIME_TEXT_BYTES = 40;
const timeText = Buffer.alloc(TIME_TEXT_BYTES);

function takeTimeText(line: LineContext, text: string): boolean {
  if (text.length > TIME_TEXT_BYTES) return false;
  const length = timeText.write(text, 'latin1');
  if (readIso(timeText, 0, length, line.calendar, line.time)) {
    line.takeTime();
    return true;
  }
  return text.length > 0 && takeUnixTime(line, Number(text));
}

/** An id as hex digits of the right number that are not all zero. */
function hexId(value: unknown, digits: number): string | undefined {
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]+$/i.test(value)) return undefined;
  return /^0+$/.test(value) ? undefined : value.toLowerCase();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
