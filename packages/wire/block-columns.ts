/**
 * What a block consists of (block-format.md): the columns in their order, and the constants of the encoding. The
 * builder writes by this list and the validator reads by it, so they cannot disagree on a name or a type.
 */

export interface BlockColumn {
  readonly name: string;
  /** The type as ClickHouse spells it. */
  readonly type: string;
}

const LOW_CARDINALITY_STRING = 'LowCardinality(String)';
const ATTRIBUTE_MAP = 'Map(LowCardinality(String), String)';

/** All columns in their order; the last {@link SERVER_COLUMN_COUNT} are appended by the server. */
export const BLOCK_COLUMNS: readonly BlockColumn[] = [
  { name: 'Timestamp', type: 'DateTime64(9)' },
  { name: 'ObservedTimestamp', type: 'DateTime64(9)' },
  { name: 'SeverityNumber', type: 'UInt8' },
  { name: 'SeverityText', type: LOW_CARDINALITY_STRING },
  { name: 'ServiceName', type: LOW_CARDINALITY_STRING },
  { name: 'Body', type: 'String' },
  { name: 'TraceId', type: 'String' },
  { name: 'SpanId', type: 'String' },
  { name: 'TraceFlags', type: 'UInt8' },
  { name: 'EventName', type: LOW_CARDINALITY_STRING },
  { name: 'ResourceAttributes', type: ATTRIBUTE_MAP },
  { name: 'LogAttributes', type: ATTRIBUTE_MAP },
  { name: 'UrgencyClass', type: 'UInt8' },
  { name: 'AgentId', type: LOW_CARDINALITY_STRING },
  { name: 'BlockEpoch', type: 'UInt64' },
  { name: 'BlockSequence', type: 'UInt64' },
  { name: 'RecordNumber', type: 'UInt32' },
  { name: 'ServerId', type: LOW_CARDINALITY_STRING },
  { name: 'ChannelPriority', type: 'UInt32' },
];

/** The columns that only the receiving server knows. */
export const SERVER_COLUMN_COUNT = 2;
export const AGENT_COLUMN_COUNT: number = BLOCK_COLUMNS.length - SERVER_COLUMN_COUNT;

/** Highest severity number of the OpenTelemetry log data model. */
export const MAX_SEVERITY_NUMBER = 24;

/** Last second of 2105: the engine's Date, which tables are partitioned and expired by, ends early in 2106. */
export const MAX_TIMESTAMP_SECONDS = 4_291_747_199;

/** The only version of the LowCardinality serialization that exists. */
export const LOW_CARDINALITY_VERSION = 1;
/** Flag of a LowCardinality column: its keys stand with it, not in a dictionary shared by several blocks. */
export const HAS_ADDITIONAL_KEYS = 0x200;

/** Width in bytes of dictionary indexes for so many keys. */
export function indexWidthBytes(keyCount: number): 1 | 2 | 4 {
  if (keyCount <= 0x100) return 1;
  return keyCount <= 0x10000 ? 2 : 4;
}

/** The code in the flags of a LowCardinality column for an index width. */
export function indexWidthCode(widthBytes: 1 | 2 | 4): 0 | 1 | 2 {
  return widthBytes === 4 ? 2 : widthBytes === 2 ? 1 : 0;
}

/** Bytes of an unsigned LEB128 number below 2^32. */
export function varintBytes(value: number): number {
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

/** Name and type of a column as they stand before its data. */
export function encodeColumnHead(column: BlockColumn): Buffer {
  return Buffer.concat([encodeString(column.name), encodeString(column.type)]);
}

/** A string as the format has it: a varint length and its UTF-8 bytes. */
export function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const encoded = Buffer.allocUnsafe(varintBytes(bytes.length) + bytes.length);
  bytes.copy(encoded, writeVarint(encoded, 0, bytes.length));
  return encoded;
}

/** Bytes of name and type of the agent's columns and of the two numbers before them, at most. */
export const BLOCK_HEAD_BYTES: number =
  10 +
  BLOCK_COLUMNS.slice(0, AGENT_COLUMN_COUNT).reduce(
    (sum, column) => sum + encodeColumnHead(column).length,
    0,
  );
