/**
 * Reads the records of a payload back, for tests and for people who look into a block. Not for any hot path: it makes
 * objects.
 */
import { type TimestampOrigin, timestampOriginOf } from '@sluice/protocol/timestamp-origin';
import type { OpenedBlock } from './validator.ts';

/** One record as plain values; only the columns that differ between records. */
export interface ReadRecord {
  readonly timestampNanos: bigint;
  readonly observedNanos: bigint;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly serviceName: string;
  readonly body: Buffer;
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly eventName: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, string>>;
  /** Where it begins in its source, in bytes; undefined where the block's format does not say. */
  readonly offsetBytes: number | undefined;
  readonly timestampOrigin: TimestampOrigin;
}

/** The records of a block that was validated. */
export function readRecords(block: OpenedBlock): ReadRecord[] {
  const { raw, recordCount } = block;
  const start = (name: string): number =>
    block.columnOffsets[block.format.columns.findIndex((column) => column.name === name)] ?? 0;
  const timestamps = start('Timestamp');
  const observed = start('ObservedTimestamp');
  const severities = start('SeverityNumber');
  const flags = start('TraceFlags');
  // No column begins at 0: heads stand before them.
  const offsets = start('RecordOffset');
  const origins = start('TimestampOrigin');
  const severityTexts = new Cursor(raw, start('SeverityText')).dictionaryColumn(recordCount);
  const services = new Cursor(raw, start('ServiceName')).dictionaryColumn(recordCount);
  const events = new Cursor(raw, start('EventName')).dictionaryColumn(recordCount);
  const bodies = new Cursor(raw, start('Body')).strings(recordCount);
  const traceIds = new Cursor(raw, start('TraceId')).strings(recordCount);
  const spanIds = new Cursor(raw, start('SpanId')).strings(recordCount);
  const resources = new Cursor(raw, start('ResourceAttributes')).mapColumn(recordCount);
  const attributes = new Cursor(raw, start('LogAttributes')).mapColumn(recordCount);
  return bodies.map((body, record) => ({
    timestampNanos: raw.readBigInt64LE(timestamps + 8 * record),
    observedNanos: raw.readBigInt64LE(observed + 8 * record),
    severityNumber: raw.readUInt8(severities + record),
    severityText: severityTexts[record] ?? '',
    serviceName: services[record] ?? '',
    body,
    traceId: String(traceIds[record]),
    spanId: String(spanIds[record]),
    traceFlags: raw.readUInt8(flags + record),
    eventName: events[record] ?? '',
    resource: resources[record] ?? {},
    attributes: attributes[record] ?? {},
    offsetBytes: offsets === 0 ? undefined : Number(raw.readBigUInt64LE(offsets + 8 * record)),
    timestampOrigin: timestampOriginOf(origins === 0 ? 0 : raw.readUInt8(origins + record)),
  }));
}

class Cursor {
  readonly #raw: Buffer;
  #at: number;

  constructor(raw: Buffer, at: number) {
    this.#raw = raw;
    this.#at = at;
  }

  dictionaryColumn(count: number): string[] {
    this.#uint64();
    return this.#dictionary(count);
  }

  mapColumn(count: number): Record<string, string>[] {
    this.#uint64();
    const ends = Array.from({ length: count }, () => this.#uint64());
    const entries = ends.at(-1) ?? 0;
    const keys = this.#dictionary(entries);
    const values = this.strings(entries).map(String);
    return ends.map((end, record) => {
      const map = new Map<string, string>();
      for (let at = ends[record - 1] ?? 0; at < end; at += 1) map.set(keys[at] ?? '', values[at] ?? '');
      // Keys are foreign: as properties of an object, `__proto__` would be lost.
      return Object.fromEntries(map);
    });
  }

  strings(count: number): Buffer[] {
    return Array.from({ length: count }, () => {
      const length = this.#varint();
      this.#at += length;
      return this.#raw.subarray(this.#at - length, this.#at);
    });
  }

  #dictionary(count: number): string[] {
    if (count === 0) return [];
    const width = 1 << (this.#uint64() & 3);
    const keys = this.strings(this.#uint64()).map(String);
    this.#uint64();
    return Array.from({ length: count }, () => {
      this.#at += width;
      return keys[this.#raw.readUIntLE(this.#at - width, width)] ?? '';
    });
  }

  #uint64(): number {
    this.#at += 8;
    return Number(this.#raw.readBigUInt64LE(this.#at - 8));
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#raw.readUInt8(this.#at);
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
}
