/**
 * The records of a block as an Arrow IPC stream, and a check of one: the other candidate in `codec.ts`.
 *
 * Columns are collected into typed arrays and handed to the library as they are; its own builders would be slower.
 */
import { GrowableBytes } from '@sluice/block/buffer';
import {
  type Data,
  DataType,
  Dictionary,
  Field,
  Int32,
  Map_,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampNanosecond,
  tableFromIPC,
  Uint8,
  Uint32,
  Uint64,
  Utf8,
  Vector,
} from 'apache-arrow';

/** One record for both candidates, parsed before anything is timed. */
export interface BenchRecord {
  readonly nanos: bigint;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly serviceName: string;
  readonly line: Buffer;
  readonly host: string;
  readonly path: string;
}

class Texts {
  readonly #bytes = new GrowableBytes();
  readonly #offsets: Int32Array;
  #count = 0;

  constructor(count: number) {
    this.#offsets = new Int32Array(count + 1);
  }

  add(bytes: Buffer): void {
    this.#bytes.appendEncoded(bytes);
    this.#count += 1;
    this.#offsets[this.#count] = this.#bytes.length;
  }

  data(): Data<Utf8> {
    const { buffer, length } = this.#bytes;
    return makeData({
      type: new Utf8(),
      length: this.#count,
      valueOffsets: this.#offsets.subarray(0, this.#count + 1),
      data: buffer.subarray(0, length),
    });
  }
}

function texts(values: readonly string[]): Data<Utf8> {
  const column = new Texts(values.length);
  for (const value of values) column.add(Buffer.from(value));
  return column.data();
}

class Keys {
  readonly #indexByKey = new Map<string, number>();
  readonly #indexes: Int32Array;
  #count = 0;

  constructor(count: number) {
    this.#indexes = new Int32Array(count);
  }

  add(key: string): void {
    let index = this.#indexByKey.get(key);
    if (index === undefined) {
      index = this.#indexByKey.size;
      this.#indexByKey.set(key, index);
    }
    this.#indexes[this.#count] = index;
    this.#count += 1;
  }

  data(): Data<Dictionary<Utf8, Int32>> {
    return makeData({
      type: new Dictionary(new Utf8(), new Int32()),
      length: this.#count,
      data: this.#indexes,
      dictionary: new Vector([texts([...this.#indexByKey.keys()])]),
    });
  }
}

function repeated(value: string, count: number): Data {
  const keys = new Keys(count);
  for (let record = 0; record < count; record += 1) keys.add(value);
  return keys.data();
}

/** A map with one entry per record. */
function mapOf(key: string, values: Data<Utf8>): Data {
  const count = values.length;
  const keys = new Texts(count);
  const keyBytes = Buffer.from(key);
  for (let record = 0; record < count; record += 1) keys.add(keyBytes);
  const fields = [new Field('key', new Utf8(), false), new Field('value', new Utf8(), false)];
  const entries = new Struct<{ key: Utf8; value: Utf8 }>(fields);
  return makeData({
    type: new Map_(new Field('entries', entries, false)),
    length: count,
    valueOffsets: Int32Array.from({ length: count + 1 }, (_, record) => record),
    child: makeData({ type: entries, length: count, children: [keys.data(), values] }),
  });
}

/** Encodes all nineteen columns as one stream with one batch. */
export function encodeArrow(records: readonly BenchRecord[], sequence: number): Buffer {
  const count = records.length;
  const nanos = new BigInt64Array(count);
  const severities = new Uint8Array(count);
  const severityTexts = new Keys(count);
  const services = new Keys(count);
  const bodies = new Texts(count);
  const hosts = new Texts(count);
  const paths = new Texts(count);
  const traceIds = new Texts(count);
  const spanIds = new Texts(count);
  const nothing = Buffer.alloc(0);
  for (const [at, record] of records.entries()) {
    nanos[at] = record.nanos;
    severities[at] = record.severityNumber;
    severityTexts.add(record.severityText);
    services.add(record.serviceName);
    bodies.add(record.line);
    hosts.add(Buffer.from(record.host));
    paths.add(Buffer.from(record.path));
    traceIds.add(nothing);
    spanIds.add(nothing);
  }
  const bytes = (value: number): Data =>
    makeData({ type: new Uint8(), length: count, data: new Uint8Array(count).fill(value) });
  const longs = (value: bigint): Data =>
    makeData({ type: new Uint64(), length: count, data: new BigUint64Array(count).fill(value) });
  // Each column has memory of its own: the writer joins neighbours that share theirs, and loses one.
  const times = (): Data => makeData({ type: new TimestampNanosecond(), length: count, data: nanos.slice() });
  const columns: readonly (readonly [string, Data])[] = [
    ['Timestamp', times()],
    ['ObservedTimestamp', times()],
    ['SeverityNumber', makeData({ type: new Uint8(), length: count, data: severities })],
    ['SeverityText', severityTexts.data()],
    ['ServiceName', services.data()],
    ['Body', bodies.data()],
    ['TraceId', traceIds.data()],
    ['SpanId', spanIds.data()],
    ['TraceFlags', bytes(0)],
    ['EventName', repeated('', count)],
    ['ResourceAttributes', mapOf('host.name', hosts.data())],
    ['LogAttributes', mapOf('log.file.path', paths.data())],
    ['UrgencyClass', bytes(3)],
    ['AgentId', repeated('bench', count)],
    ['BlockEpoch', longs(1n)],
    ['BlockSequence', longs(BigInt(sequence))],
    ['RecordNumber', makeData({ type: new Uint32(), length: count, data: Uint32Array.from(records.keys()) })],
    ['ServerId', repeated('s1', count)],
    [
      'ChannelPriority',
      makeData({ type: new Uint32(), length: count, data: new Uint32Array(count).fill(1) }),
    ],
  ];
  const schema = new Schema(columns.map(([name, data]) => new Field(name, data.type, false)));
  const children = columns.map(([, data]) => data);
  const batch = new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: count, children }),
  );
  const writer = new RecordBatchStreamWriter();
  writer.write(batch);
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}

/** Opens a stream and checks the offsets of its columns, which the library does not. Throws when it is malformed. */
export function validateArrow(raw: Buffer): number {
  const table = tableFromIPC(raw);
  for (const batch of table.batches) for (const child of batch.data.children) checkData(child);
  return table.numRows;
}

function checkData(data: Data): void {
  const offsets: unknown = data.valueOffsets;
  if (offsets instanceof Int32Array) {
    // Behind the last offset stands padding.
    for (let at = 1; at <= data.length; at += 1) {
      if ((offsets[at] ?? 0) < (offsets[at - 1] ?? 0)) throw new Error('offsets do not ascend');
    }
  }
  if (DataType.isDictionary(data.type)) {
    const size = data.dictionary?.length ?? 0;
    for (const index of data.values) if (Number(index) >= size) throw new Error('index past the dictionary');
  }
  for (const child of data.children) checkData(child);
}
