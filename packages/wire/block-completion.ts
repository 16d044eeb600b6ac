/**
 * What a server adds to a block before the store gets it: the columns that only it knows, and, but for the first format,
 * the numbers of columns and records before them all (block-format.md). The payload itself is not touched.
 */
import type { ServerId } from '@sluice/protocol/model';
import { encodeConstantDictionary } from './block-buffer.ts';
import { type BlockColumn, columnHead, encodeCounts } from './block-columns.ts';
import { compressFrame } from './block-compression.ts';
import {
  BLOCK_FORMATS,
  type BlockFormat,
  type BlockFormats,
  LATEST_BLOCK_FORMAT,
  splitPayload,
} from './block-formats.ts';
import { unknownFormat } from './block-validator.ts';

/** What the server that loads a block knows of it. */
export interface ServerFacts {
  /** Who received it. */
  readonly serverId: ServerId;
  /** Of the channel on which it came. */
  readonly priority: number;
}

interface ServerColumn extends BlockColumn {
  /** The data of the column, the same value for `count` records. */
  encode(facts: ServerFacts, count: number): Buffer;
}

/** In their order. The first format has only the first two. */
const SERVER_COLUMNS: readonly ServerColumn[] = [
  {
    name: 'ServerId',
    type: 'LowCardinality(String)',
    encode: ({ serverId }, count) => encodeConstantDictionary(serverId, count),
  },
  {
    name: 'ChannelPriority',
    type: 'UInt32',
    encode: ({ priority }, count) => {
      const one = Buffer.allocUnsafe(4);
      one.writeUInt32LE(priority);
      return Buffer.alloc(4 * count, one);
    },
  },
];

/** Names and types of all columns of a completed block; a block of an earlier format has only some of them. */
export function completedColumns(format: BlockFormat = LATEST_BLOCK_FORMAT): readonly BlockColumn[] {
  return [...format.columns, ...SERVER_COLUMNS];
}

/**
 * One block of ClickHouse's Native format as zstd frames, one after the other.
 *
 * @param payload a validated payload of so many records
 * @throws SluiceError `protocol_mismatch` for a format that is not among `formats`
 */
export function completeBlock(
  payload: Uint8Array,
  recordCount: number,
  facts: ServerFacts,
  formats: BlockFormats = BLOCK_FORMATS,
): Buffer[] {
  const { formatNumber, frame } = splitPayload(payload);
  const format = formats.get(formatNumber);
  if (format === undefined) throw unknownFormat(formatNumber, formats);
  const columns = SERVER_COLUMNS.slice(0, format.countedServerColumns ?? SERVER_COLUMNS.length);
  const added = compressFrame(
    Buffer.concat(columns.flatMap((column) => [columnHead(column), column.encode(facts, recordCount)])),
  );
  if (format.countedServerColumns !== undefined) return [frame, added];
  return [compressFrame(encodeCounts(format.columns.length + columns.length, recordCount)), frame, added];
}
