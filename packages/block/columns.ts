/**
 * The columns of blocks (format.md) and the constants of their encoding. The builder writes by this table and the
 * validator reads by it, so they cannot disagree on a name, a type or an order.
 *
 * A column is added with a row here, a format that has it (formats.ts), a writer in the builder and a migration of the
 * log table.
 */

import { MAX_TIMESTAMP_ORIGIN_NUMBER } from '@sluice/protocol/timestamp-origin';

/** How the values of a column lie in a block; the validator has one check for each kind. */
export type ColumnEncoding =
  /** Int64 nanoseconds since 1970, not later than {@link MAX_TIMESTAMP_SECONDS}. */
  | { readonly kind: 'timestamps' }
  /** Unsigned integers of `bytes` bytes, none above `most`. */
  | { readonly kind: 'integers'; readonly bytes: 1 | 4 | 8; readonly most: number }
  /** Any bytes. */
  | { readonly kind: 'strings' }
  /** Empty, or exactly `digits` lower-case hex digits. */
  | { readonly kind: 'hex_strings'; readonly digits: number }
  | { readonly kind: 'dictionary' }
  | { readonly kind: 'map' }
  /** 0, 1, 2 ... */
  | { readonly kind: 'record_numbers' }
  /** The same in every record: what the block's header says. */
  | { readonly kind: 'constant'; readonly of: 'urgency' | 'agentId' | 'epoch' | 'sequence' };

export interface BlockColumn {
  readonly name: string;
  /** The type as ClickHouse spells it. */
  readonly type: string;
}

/** A column that the agent writes. */
export interface AgentColumn extends BlockColumn {
  readonly encoding: ColumnEncoding;
}

const LOW_CARDINALITY_STRING = 'LowCardinality(String)';
const ATTRIBUTE_MAP = 'Map(LowCardinality(String), String)';

/** Highest severity number of the OpenTelemetry log data model. */
export const MAX_SEVERITY_NUMBER = 24;

/** The columns of a record as the agent wrote them first, in their order. */
export const RECORD_COLUMNS: readonly AgentColumn[] = [
  { name: 'Timestamp', type: 'DateTime64(9)', encoding: { kind: 'timestamps' } },
  { name: 'ObservedTimestamp', type: 'DateTime64(9)', encoding: { kind: 'timestamps' } },
  {
    name: 'SeverityNumber',
    type: 'UInt8',
    encoding: { kind: 'integers', bytes: 1, most: MAX_SEVERITY_NUMBER },
  },
  { name: 'SeverityText', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ServiceName', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'Body', type: 'String', encoding: { kind: 'strings' } },
  { name: 'TraceId', type: 'String', encoding: { kind: 'hex_strings', digits: 32 } },
  { name: 'SpanId', type: 'String', encoding: { kind: 'hex_strings', digits: 16 } },
  { name: 'TraceFlags', type: 'UInt8', encoding: { kind: 'integers', bytes: 1, most: 0xff } },
  { name: 'EventName', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ResourceAttributes', type: ATTRIBUTE_MAP, encoding: { kind: 'map' } },
  { name: 'LogAttributes', type: ATTRIBUTE_MAP, encoding: { kind: 'map' } },
  { name: 'UrgencyClass', type: 'UInt8', encoding: { kind: 'constant', of: 'urgency' } },
  { name: 'AgentId', type: LOW_CARDINALITY_STRING, encoding: { kind: 'constant', of: 'agentId' } },
  { name: 'BlockEpoch', type: 'UInt64', encoding: { kind: 'constant', of: 'epoch' } },
  { name: 'BlockSequence', type: 'UInt64', encoding: { kind: 'constant', of: 'sequence' } },
  { name: 'RecordNumber', type: 'UInt32', encoding: { kind: 'record_numbers' } },
];

/** What format 3 adds: where a record begins in its source, in bytes, and how its time came to be (timestamp-origin.ts). */
export const ORIGIN_COLUMNS: readonly AgentColumn[] = [
  {
    name: 'RecordOffset',
    type: 'UInt64',
    encoding: { kind: 'integers', bytes: 8, most: Number.MAX_SAFE_INTEGER },
  },
  {
    name: 'TimestampOrigin',
    type: 'UInt8',
    encoding: { kind: 'integers', bytes: 1, most: MAX_TIMESTAMP_ORIGIN_NUMBER },
  },
];

/** What agents of other languages tell beside that, in records as OpenTelemetry has them (otlp.md). */
export const SCOPE_COLUMNS: readonly AgentColumn[] = [
  { name: 'ResourceSchemaUrl', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ScopeSchemaUrl', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ScopeName', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ScopeVersion', type: LOW_CARDINALITY_STRING, encoding: { kind: 'dictionary' } },
  { name: 'ScopeAttributes', type: ATTRIBUTE_MAP, encoding: { kind: 'map' } },
];

/** Last second of 2105: the engine's Date, which tables are partitioned and expired by, ends early in 2106. */
export const MAX_TIMESTAMP_SECONDS = 4_291_747_199;

/** The only version of the LowCardinality serialization that exists. */
export const LOW_CARDINALITY_VERSION = 1;
/** Flag of a LowCardinality column: its keys stand with it, not in a dictionary shared by several blocks. */
export const HAS_ADDITIONAL_KEYS = 0x200;

/** Width in bytes of dictionary indexes into `keyCount` keys. */
export function indexWidthBytes(keyCount: number): 1 | 2 | 4 {
  if (keyCount <= 0x100) return 1;
  return keyCount <= 0x10000 ? 2 : 4;
}

/** The code in the flags of a LowCardinality column for an index width. */
export function indexWidthCode(widthBytes: 1 | 2 | 4): 0 | 1 | 2 {
  return widthBytes === 4 ? 2 : widthBytes === 2 ? 1 : 0;
}

/** Bytes of an unsigned LEB128 number below 2^32. */
function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Writes an unsigned LEB128 number below 2^32; returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest >= 0x80) {
    target[at] = (rest & 0x7f) | 0x80;
    at += 1;
    rest >>>= 7;
  }
  target[at] = rest;
  return at + 1;
}

const heads = new WeakMap<BlockColumn, Buffer>();

/** Name and type of a column as they stand before its data; made once for each column. */
export function columnHead(column: BlockColumn): Buffer {
  let head = heads.get(column);
  if (head === undefined) {
    head = Buffer.concat([encodeString(column.name), encodeString(column.type)]);
    heads.set(column, head);
  }
  return head;
}

/** The two numbers with which a block of the Native format begins. */
export function encodeCounts(columnCount: number, recordCount: number): Buffer {
  const counts = Buffer.allocUnsafe(varintBytes(columnCount) + varintBytes(recordCount));
  writeVarint(counts, writeVarint(counts, 0, columnCount), recordCount);
  return counts;
}

/** A string as the format has it: a varint length and its UTF-8 bytes. */
export function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const encoded = Buffer.allocUnsafe(varintBytes(bytes.length) + bytes.length);
  bytes.copy(encoded, writeVarint(encoded, 0, bytes.length));
  return encoded;
}
