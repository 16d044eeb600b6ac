/** Attributes of records, resources and scopes of OpenTelemetry (`KeyValue`), as the lists that columns are made of. */
import { TIMESTAMP_ORIGIN_NUMBERS } from '@sluice/protocol/timestamp-origin';
import { GrowableBytes } from './buffer.ts';
import { OtlpValues } from './otlp-values.ts';
import { type ProtobufReader, VARINT } from './protobuf-reader.ts';
import {
  type AttributeList,
  type PreparedAttributes,
  prepareAttributes,
  type RecordFields,
} from './record.ts';

/** Attributes of a record that become columns. */
const OFFSET_ATTRIBUTE = 'sluice.record.offset';
const ORIGIN_ATTRIBUTE = 'sluice.timestamp.origin';
/** How many attributes the sender left out; the same name as in records of this agent. */
const DROPPED_ATTRIBUTE = 'dropped_attributes_count';
const MAX_UINT32 = 0xffff_ffff;
const ORIGINS: ReadonlyMap<string, number> = new Map(
  Object.entries(TIMESTAMP_ORIGIN_NUMBERS).filter(([word]) => word !== 'unknown'),
);

export const NO_ATTRIBUTES: PreparedAttributes = prepareAttributes({});

export class OtlpAttributes {
  readonly values: OtlpValues;
  readonly #reader: ProtobufReader;
  #index = -1;
  #isInside = false;
  #droppedCount = 0;
  #hasOffset = false;

  constructor(reader: ProtobufReader) {
    this.#reader = reader;
    this.values = new OtlpValues(reader);
  }

  /** The number of the attribute that is being read, from 0; -1 for none. */
  get index(): number {
    return this.#isInside ? this.#index : -1;
  }

  /** Whether the record says where it begins. */
  get hasOffset(): boolean {
    return this.#hasOffset;
  }

  /** Goes on to the next record, resource or scope. */
  begin(): void {
    this.values.begin();
    this.#index = -1;
    this.#droppedCount = 0;
    this.#hasOffset = false;
  }

  /**
   * Takes over the KeyValue that the reader has read last.
   *
   * @param list where it goes
   * @param record takes what has a column of its own, if it is an attribute of a record
   * @throws ProtobufFault
   */
  read(list: AttributeList, record?: RecordFields): void {
    const reader = this.#reader;
    this.#index += 1;
    this.#isInside = true;
    const key = this.values.entry();
    const text = this.values.text(reader.start, reader.stop);
    if (record === undefined || !this.#lift(record, key, text)) {
      if (text === undefined) list.addRange(key, reader.start, reader.stop);
      else list.addText(key, text);
    }
    this.#isInside = false;
  }

  /** Takes over the number of attributes that the sender left out. @throws ProtobufFault */
  readDropped(): void {
    this.#droppedCount = this.#reader.number(VARINT, MAX_UINT32);
  }

  /** Adds what is to be said when all fields have been read. */
  finish(list: AttributeList): void {
    if (this.#droppedCount > 0) list.addText(DROPPED_ATTRIBUTE, String(this.#droppedCount));
  }

  /** Whether the attribute has a column of its own and was put there. */
  #lift(record: RecordFields, key: string, text: string | undefined): boolean {
    const reader = this.#reader;
    if (key === OFFSET_ATTRIBUTE) {
      const offset = text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (!Number.isSafeInteger(offset))
        throw reader.fault(`${OFFSET_ATTRIBUTE} is an int of 0 to ${Number.MAX_SAFE_INTEGER}`);
      record.offsetBytes = offset;
      this.#hasOffset = true;
      return true;
    }
    if (key !== ORIGIN_ATTRIBUTE) return false;
    const origin = ORIGINS.get(text ?? reader.bytes.toString('utf8', reader.start, reader.stop));
    if (origin === undefined)
      throw reader.fault(`${ORIGIN_ATTRIBUTE} is one of ${[...ORIGINS.keys()].join(', ')}`);
    record.timestampOrigin = origin;
    return true;
  }
}

/** The attributes of a resource or scope, encoded once for all its records; ranges are of `source`. */
export function prepareList(list: AttributeList, source: Buffer): PreparedAttributes {
  if (list.count === 0) return NO_ATTRIBUTES;
  const values = new GrowableBytes();
  for (let at = 0; at < list.count; at += 1) {
    const text = list.texts[at];
    if (text === undefined) values.appendRange(source, list.starts[at] ?? 0, list.ends[at] ?? 0);
    else values.appendText(text);
  }
  const encodedValues = Buffer.from(values.buffer.subarray(0, values.length));
  return { keys: list.keys.slice(0, list.count), encodedValues };
}
