/**
 * The formats that a block may have. A format is a number, an encoding and an ordered set of columns; what an agent can
 * write and a server takes is told in Hello and Welcome (capabilities.ts). This agent writes the native ones; the one of
 * OpenTelemetry is for agents in other languages (otlp.md).
 *
 * A payload says its format itself, so that a block keeps it in every queue and journal, also in those of programs that
 * know nothing of formats: it begins with a skippable frame of zstd (RFC 8878, 3.1.2), which decoders pass over, around the
 * number. The first format came before this and has no such frame.
 *
 * Invariants: a format that was released never changes and is taken for ever; a later one has all columns of the earlier.
 */
import { type AgentColumn, ORIGIN_COLUMNS, RECORD_COLUMNS, SCOPE_COLUMNS } from './columns.ts';

export interface BlockFormat {
  readonly number: number;
  /** How the records lie in the frame: as the engine's columns, or as OpenTelemetry's messages. Left out: as columns. */
  readonly encoding?: 'otlp';
  /** What the agent writes, in order; of another encoding, what the server makes of it. */
  readonly columns: readonly AgentColumn[];
  /**
   * The payload begins with the numbers of columns and of records, and counts this many columns of the server. Undefined:
   * the server writes these numbers, and may append any columns.
   */
  readonly countedServerColumns?: number;
}

/** The formats that a program knows, by number. */
export type BlockFormats = ReadonlyMap<number, BlockFormat>;

export const FIRST_BLOCK_FORMAT: BlockFormat = {
  number: 1,
  columns: RECORD_COLUMNS,
  countedServerColumns: 2,
};
const OPEN_BLOCK_FORMAT: BlockFormat = { number: 2, columns: RECORD_COLUMNS };
/** What is written where every server takes it. */
export const LATEST_BLOCK_FORMAT: BlockFormat = {
  number: 3,
  columns: [...RECORD_COLUMNS, ...ORIGIN_COLUMNS],
};

/** Records as OpenTelemetry's protobuf has them; the server makes columns of them (otlp-reader.ts). */
export const OTLP_BLOCK_FORMAT: BlockFormat = {
  number: 4,
  encoding: 'otlp',
  columns: [...LATEST_BLOCK_FORMAT.columns, ...SCOPE_COLUMNS],
};

/** What this agent can write. */
export const NATIVE_BLOCK_FORMATS: BlockFormats = byNumber([
  FIRST_BLOCK_FORMAT,
  OPEN_BLOCK_FORMAT,
  LATEST_BLOCK_FORMAT,
]);
/** What this server takes. */
export const BLOCK_FORMATS: BlockFormats = byNumber([...NATIVE_BLOCK_FORMATS.values(), OTLP_BLOCK_FORMAT]);

const SKIPPABLE_MAGIC = 0x184d2a50;
const MAGIC_BYTES = 4;
/** Magic number, length of the content (4), the format's number as UInt32. */
const MARK_BYTES = 12;

/** What stands before the frame of a payload of this format; empty for the first. */
export function formatMark(format: BlockFormat): Buffer {
  if (format.number === FIRST_BLOCK_FORMAT.number) return Buffer.alloc(0);
  const mark = Buffer.alloc(MARK_BYTES);
  mark.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  mark.writeUInt32LE(MARK_BYTES - 2 * MAGIC_BYTES, MAGIC_BYTES);
  mark.writeUInt32LE(format.number, 2 * MAGIC_BYTES);
  return mark;
}

/** The number of a payload's format, known here or not, and the zstd frame with the columns; nothing is copied. */
export function splitPayload(payload: Uint8Array): { readonly formatNumber: number; readonly frame: Buffer } {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const isMarked =
    bytes.length >= MARK_BYTES &&
    bytes.readUInt32LE(0) === SKIPPABLE_MAGIC &&
    bytes.readUInt32LE(MAGIC_BYTES) === MARK_BYTES - 2 * MAGIC_BYTES;
  const formatNumber = isMarked ? bytes.readUInt32LE(2 * MAGIC_BYTES) : FIRST_BLOCK_FORMAT.number;
  // The first format has no mark: with one it is not a frame that anybody takes.
  if (formatNumber === FIRST_BLOCK_FORMAT.number) return { formatNumber, frame: bytes };
  return { formatNumber, frame: bytes.subarray(MARK_BYTES) };
}

function byNumber(formats: readonly BlockFormat[]): BlockFormats {
  return new Map(formats.map((format) => [format.number, format]));
}
