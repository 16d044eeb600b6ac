/**
 * A record on its way into a block: one mutable scratch object that is filled again for every record, so that nothing
 * is allocated per record.
 *
 * Invariant: byte ranges point into `body`'s buffer and are valid only until the append returns.
 */

import { TIMESTAMP_ORIGIN_NUMBERS } from '@sluice/protocol/timestamp-origin';
import { encodeString } from './columns.ts';

/** Attributes that many records share, encoded once. */
export interface PreparedAttributes {
  readonly keys: readonly string[];
  /** The values as strings of the format, one after the other. */
  readonly encodedValues: Buffer;
}

/** Encodes attributes that many records share. Keys keep their order. */
export function prepareAttributes(attributes: Readonly<Record<string, string>>): PreparedAttributes {
  return {
    keys: Object.keys(attributes),
    encodedValues: Buffer.concat(Object.values(attributes).map(encodeString)),
  };
}

/** The attributes of one record beside the prepared ones: lists that are reused, `count` of them valid. */
export class AttributeList {
  count = 0;
  readonly keys: string[] = [];
  /** The value as text; or undefined, and then the value is a range of the record's buffer. */
  readonly texts: (string | undefined)[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  clear(): void {
    this.count = 0;
  }

  /** Adds a value that is text. */
  addText(key: string, value: string): void {
    const at = this.count;
    this.keys[at] = key;
    this.texts[at] = value;
    this.starts[at] = 0;
    this.ends[at] = 0;
    this.count = at + 1;
  }

  /** Adds a value that is a range of the record's buffer. */
  addRange(key: string, start: number, end: number): void {
    const at = this.count;
    this.keys[at] = key;
    this.texts[at] = undefined;
    this.starts[at] = start;
    this.ends[at] = end;
    this.count = at + 1;
  }
}

/** @returns the nanoseconds of a moment beyond its whole seconds: whole microseconds, which are all that a double holds today */
export function nanosOfMoment(milliseconds: number, wholeSeconds: number): number {
  return Math.round((milliseconds - wholeSeconds * 1000) * 1000) * 1000;
}

const NO_ATTRIBUTES = prepareAttributes({});
const NO_BYTES = Buffer.alloc(0);

/** The fields of one record. */
export class RecordFields {
  /** Event time: whole seconds since 1970, and nanoseconds 0..999999999. */
  timestampSeconds = 0;
  timestampNanos = 0;
  /** One of TIMESTAMP_ORIGIN_NUMBERS. */
  timestampOrigin: number = TIMESTAMP_ORIGIN_NUMBERS.unknown;
  /** When it was read, in milliseconds since 1970; a fraction counts to the microsecond. */
  observedMs = 0;
  /** Nanoseconds beyond that, 0..999999, of who knows them. */
  observedNanos = 0;
  /** Where it begins in its source, in bytes. */
  offsetBytes = 0;
  /** OpenTelemetry 0..24. */
  severityNumber = 0;
  severityText = '';
  serviceName = '';
  /** The body is `buffer[bodyStart, bodyEnd)`, unless `bodyText` is set. */
  buffer: Buffer = NO_BYTES;
  bodyStart = 0;
  bodyEnd = 0;
  bodyText: string | undefined = undefined;
  /** 32 lower-case hex digits or empty. */
  traceId = '';
  /** 16 lower-case hex digits or empty. */
  spanId = '';
  traceFlags = 0;
  eventName = '';
  resource: PreparedAttributes = NO_ATTRIBUTES;
  constantAttributes: PreparedAttributes = NO_ATTRIBUTES;
  readonly attributes: AttributeList = new AttributeList();

  /** About how many bytes of text it has beside what many records share: bodies and the values of its own attributes. */
  get textBytes(): number {
    const { keys, texts, starts, ends, count } = this.attributes;
    let bytes = this.bodyText === undefined ? this.bodyEnd - this.bodyStart : this.bodyText.length;
    for (let at = 0; at < count; at += 1) {
      bytes += (keys[at]?.length ?? 0) + (texts[at]?.length ?? (ends[at] ?? 0) - (starts[at] ?? 0));
    }
    return bytes;
  }
}
