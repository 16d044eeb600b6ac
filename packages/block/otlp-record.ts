/** The fields of one record of OpenTelemetry (`LogRecord`). */
import { TIMESTAMP_ORIGIN_NUMBERS } from '@sluice/protocol/timestamp-origin';
import { MAX_SEVERITY_NUMBER, MAX_TIMESTAMP_SECONDS } from './columns.ts';
import type { OtlpAttributes } from './otlp-attributes.ts';
import { FIXED32, FIXED64, LENGTH_DELIMITED, type ProtobufReader, VARINT } from './protobuf-reader.ts';
import type { RecordFields } from './record.ts';

const MAX_UINT32 = 0xffff_ffff;
const TWO_TO_32 = 0x1_0000_0000;
const NANOS_PER_SECOND = 1_000_000_000;
const NANOS_PER_MS = 1_000_000;
/** Identifiers of zeros stand for none. */
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

export class OtlpRecords {
  /** The field that is being read, for people; empty between fields. */
  part = '';
  readonly #reader: ProtobufReader;
  readonly #attributes: OtlpAttributes;
  /** Of the time that was read last. */
  #seconds = 0;
  #nanos = 0;

  constructor(reader: ProtobufReader, attributes: OtlpAttributes) {
    this.#reader = reader;
    this.#attributes = attributes;
  }

  /**
   * Reads the message that is open into `record`: all but its service, resource and buffer, which is that of the reader.
   *
   * @throws ProtobufFault
   */
  read(record: RecordFields): void {
    const reader = this.#reader;
    clear(record);
    this.#attributes.begin();
    let isTimed = false;
    let isObserved = false;
    while (reader.next()) {
      switch (reader.field) {
        case 1:
          isTimed = this.#time('time_unix_nano');
          record.timestampSeconds = this.#seconds;
          record.timestampNanos = this.#nanos;
          break;
        case 6:
          this.part = '';
          this.#attributes.read(record.attributes, record);
          break;
        case 11:
          isObserved = this.#time('observed_time_unix_nano');
          record.observedMs = this.#seconds * 1000 + Math.floor(this.#nanos / NANOS_PER_MS);
          record.observedNanos = this.#nanos % NANOS_PER_MS;
          break;
        default:
          this.#field(record);
      }
    }
    this.part = '';
    if (!isObserved) throw reader.fault('observed_time_unix_nano is 0: it says when the record was read');
    if (!isTimed) {
      record.timestampSeconds = Math.floor(record.observedMs / 1000);
      record.timestampNanos = (record.observedMs % 1000) * NANOS_PER_MS + record.observedNanos;
    }
    if (record.timestampOrigin === TIMESTAMP_ORIGIN_NUMBERS.unknown) {
      if (!isTimed) record.timestampOrigin = TIMESTAMP_ORIGIN_NUMBERS.clock;
      // Who knows where a record begins has read it himself.
      else if (this.#attributes.hasOffset) record.timestampOrigin = TIMESTAMP_ORIGIN_NUMBERS.read;
    }
    this.#attributes.finish(record.attributes);
  }

  #field(record: RecordFields): void {
    const reader = this.#reader;
    switch (reader.field) {
      case 2:
        this.part = 'severity_number';
        record.severityNumber = reader.number(VARINT, MAX_SEVERITY_NUMBER);
        break;
      case 3:
        this.part = 'severity_text';
        record.severityText = reader.string();
        break;
      case 5:
        this.part = 'body';
        reader.expect(LENGTH_DELIMITED);
        record.bodyText = this.#attributes.values.text(reader.start, reader.stop);
        record.bodyStart = reader.start;
        record.bodyEnd = reader.stop;
        break;
      case 7:
        this.part = 'dropped_attributes_count';
        this.#attributes.readDropped();
        break;
      case 8:
        this.part = 'flags';
        // The other bits are reserved.
        record.traceFlags = reader.number(FIXED32, MAX_UINT32) & 0xff;
        break;
      case 9:
        this.part = 'trace_id';
        record.traceId = this.#identifier(NO_TRACE);
        break;
      case 10:
        this.part = 'span_id';
        record.spanId = this.#identifier(NO_SPAN);
        break;
      case 12:
        this.part = 'event_name';
        record.eventName = reader.string();
        break;
      default: // Newer than this program.
    }
  }

  /** Lower-case hex digits, as many as `absent` has, or none. */
  #identifier(absent: string): string {
    const reader = this.#reader;
    reader.expect(LENGTH_DELIMITED);
    const { start, stop } = reader;
    if (stop === start) return '';
    if (2 * (stop - start) !== absent.length)
      throw reader.fault(`${stop - start} bytes, it has 0 or ${absent.length / 2}`);
    const digits = reader.bytes.toString('hex', start, stop);
    return digits === absent ? '' : digits;
  }

  /** Takes a time apart, exactly and without a bigint. @returns false when it is 0, which stands for none */
  #time(part: string): boolean {
    const reader = this.#reader;
    this.part = part;
    reader.expect(FIXED64);
    const { low, high } = reader;
    // Off by 1 at most: a double has 53 bits, and a second is more than 29 of the 64.
    let seconds = Math.floor((high * TWO_TO_32 + low) / NANOS_PER_SECOND);
    let nanos = (low - Math.imul(seconds, NANOS_PER_SECOND)) >>> 0;
    if (nanos >= TWO_TO_32 / 2) {
      seconds -= 1;
      nanos += NANOS_PER_SECOND - TWO_TO_32;
    } else if (nanos >= NANOS_PER_SECOND) {
      seconds += 1;
      nanos -= NANOS_PER_SECOND;
    }
    if (seconds > MAX_TIMESTAMP_SECONDS)
      throw reader.fault(`${reader.unsigned()} ns lies outside of 1970..2105`);
    this.#seconds = seconds;
    this.#nanos = nanos;
    return low !== 0 || high !== 0;
  }
}

/** Forgets the record before. */
function clear(record: RecordFields): void {
  record.timestampOrigin = TIMESTAMP_ORIGIN_NUMBERS.unknown;
  record.offsetBytes = 0;
  record.severityNumber = 0;
  record.severityText = '';
  record.bodyText = '';
  record.traceId = '';
  record.spanId = '';
  record.traceFlags = 0;
  record.eventName = '';
  record.attributes.clear();
}
