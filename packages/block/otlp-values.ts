/**
 * The values of OpenTelemetry (`AnyValue`) as the text that the store keeps: a string as it is, numbers and booleans as JSON
 * writes them, bytes as base64, lists and maps as JSON. So does the Collector's exporter for ClickHouse, whose columns
 * these are.
 *
 * Invariants: lists and maps are read no deeper than MAX_VALUE_NESTING, and no more values than MAX_RECORD_VALUES for one
 * record; whatever is deeper or more is a fault.
 */
import { FIXED64, LENGTH_DELIMITED, type ProtobufReader, VARINT } from './protobuf-reader.ts';

/** Lists and maps inside of each other. Reading recurses; what people and loggers write nests less than twenty deep. */
export const MAX_VALUE_NESTING = 100;
/** Values of one record, all that are inside of others counted: bounds what is made of a record that is all commas. */
export const MAX_RECORD_VALUES = 16_384;

const NONE = 0;
const STRING = 1;
const BOOL = 2;
const INT = 3;
const DOUBLE = 4;
const ARRAY = 5;
/** 6 is a map. */
const BYTES = 7;

const LIST_VALUES = 1;

const halves = new Uint32Array(2);
const double = new Float64Array(halves.buffer);

export class OtlpValues {
  readonly #reader: ProtobufReader;
  #count = 0;

  constructor(reader: ProtobufReader) {
    this.#reader = reader;
  }

  /** Counts the values of the next record, resource or scope from 0. */
  begin(): void {
    this.#count = 0;
  }

  /**
   * The value in a range of the reader's bytes, which is an AnyValue; an empty range is an empty one.
   *
   * @returns its text; undefined for a string, whose bytes are the reader's range `start` to `stop`
   * @throws ProtobufFault
   */
  text(start: number, stop: number): string | undefined {
    const reader = this.#reader;
    const kind = this.#read(start, stop);
    if (kind === STRING) return undefined;
    if (kind === NONE) return '';
    const { at, end } = reader;
    const text = this.#textOf(kind, 0);
    reader.open(at, end);
    return text;
  }

  /** Leaves the value itself in the reader; returns its kind. Of several, the last one counts, as in all decoders. */
  #read(start: number, stop: number): number {
    const reader = this.#reader;
    this.#count += 1;
    if (this.#count > MAX_RECORD_VALUES) throw reader.fault(`more than ${MAX_RECORD_VALUES} values`);
    const { at, end } = reader;
    reader.open(start, stop);
    let kind = NONE;
    let { low, high, start: from, stop: to } = reader;
    while (reader.next()) {
      const { field } = reader;
      // Newer than this program.
      if (field > BYTES) continue;
      if (field === BOOL || field === INT) reader.expect(VARINT);
      else reader.expect(field === DOUBLE ? FIXED64 : LENGTH_DELIMITED);
      kind = field;
      ({ low, high, start: from, stop: to } = reader);
    }
    reader.open(at, end);
    reader.low = low;
    reader.high = high;
    reader.start = from;
    reader.stop = to;
    if (kind === STRING) reader.checkUtf8(from, to);
    return kind;
  }

  #textOf(kind: number, depth: number): string {
    const reader = this.#reader;
    const { low, high, start, stop, bytes } = reader;
    switch (kind) {
      case NONE:
        return 'null';
      case STRING:
        return JSON.stringify(bytes.toString('utf8', start, stop));
      case BOOL:
        return low === 0 && high === 0 ? 'false' : 'true';
      case INT:
        return high === 0 ? String(low) : String(BigInt.asIntN(64, reader.unsigned()));
      case DOUBLE: {
        halves[0] = low;
        halves[1] = high;
        const [value = 0] = double;
        // JSON has no words for these; a string has.
        return Number.isFinite(value) || depth === 0 ? String(value) : `"${value}"`;
      }
      case BYTES: {
        const text = bytes.toString('base64', start, stop);
        return depth === 0 ? text : `"${text}"`;
      }
      case ARRAY:
        return `[${this.#items(depth + 1)}]`;
      default:
        return `{${this.#entries(depth + 1)}}`;
    }
  }

  #items(depth: number): string {
    const reader = this.#reader;
    this.#enter(depth);
    const items: string[] = [];
    while (reader.next()) if (reader.field === LIST_VALUES) items.push(this.#json(depth));
    return items.join(',');
  }

  #entries(depth: number): string {
    const reader = this.#reader;
    this.#enter(depth);
    const entries: string[] = [];
    while (reader.next()) {
      if (reader.field !== LIST_VALUES) continue;
      const key = this.entry();
      entries.push(`${JSON.stringify(key)}:${this.#json(depth)}`);
    }
    return entries.join(',');
  }

  /**
   * Takes the KeyValue that the reader has read last apart: leaves the range of its value in the reader.
   *
   * @returns the key
   * @throws ProtobufFault
   */
  entry(): string {
    const reader = this.#reader;
    reader.expect(LENGTH_DELIMITED);
    const { at, end } = reader;
    let key = '';
    let start = 0;
    let stop = 0;
    reader.open(reader.start, reader.stop);
    while (reader.next()) {
      if (reader.field === 1) {
        key = reader.string();
      } else if (reader.field === 2) {
        reader.expect(LENGTH_DELIMITED);
        ({ start, stop } = reader);
      }
    }
    reader.open(at, end);
    reader.start = start;
    reader.stop = stop;
    reader.wireType = LENGTH_DELIMITED;
    return key;
  }

  /** The message that was read last as JSON; the open one stays open where it is. */
  #json(depth: number): string {
    const reader = this.#reader;
    reader.expect(LENGTH_DELIMITED);
    const kind = this.#read(reader.start, reader.stop);
    const { at, end } = reader;
    const text = this.#textOf(kind, depth);
    reader.open(at, end);
    return text;
  }

  #enter(depth: number): void {
    const reader = this.#reader;
    if (depth > MAX_VALUE_NESTING)
      throw reader.fault(`lists and maps nested deeper than ${MAX_VALUE_NESTING}`);
    reader.open(reader.start, reader.stop);
  }
}
