/**
 * What a server adds to a block before the store gets it: the columns that only it knows, and the numbers of columns and
 * records before them all (format.md). The payload is not touched, with two exceptions: one of the first format counts the
 * columns of the servers of its time, and is compressed again with today's number; of one of another encoding columns are
 * made.
 */
import type { BlockHeader, ServerId } from '@sluice/protocol/model';
import { encodeConstantDictionary } from './buffer.ts';
import { type BlockColumn, columnHead, encodeCounts } from './columns.ts';
import { compressFrame, decompressFrame } from './compression.ts';
import {
  BLOCK_FORMATS,
  type BlockFormat,
  type BlockFormats,
  OTLP_BLOCK_FORMAT,
  splitPayload,
} from './formats.ts';
import { columnsOfOtlp } from './otlp-reader.ts';
import { unknownFormat } from './validator.ts';

/** What the server that loads a block knows of it. */
export interface ServerFacts {
  /** Who received it. */
  readonly serverId: ServerId;
  /** Of the channel on which it came. */
  readonly priority: number;
  /** Whose records they are. */
  readonly tenant: string;
}

/** What is needed of a block's header. */
export type CompletedHeader = Pick<BlockHeader, 'id' | 'urgency' | 'rawBytes' | 'recordCount'>;

interface ServerColumn extends BlockColumn {
  /** The data of the column, the same value for all records. */
  encode(facts: ServerFacts, header: CompletedHeader): Buffer;
}

/** In their order. */
const SERVER_COLUMNS: readonly ServerColumn[] = [
  {
    name: 'ServerId',
    type: 'LowCardinality(String)',
    encode: ({ serverId }, { recordCount }) => encodeConstantDictionary(serverId, recordCount),
  },
  {
    name: 'ChannelPriority',
    type: 'UInt32',
    encode: ({ priority }, { recordCount }) => {
      const one = Buffer.allocUnsafe(4);
      one.writeUInt32LE(priority);
      return Buffer.alloc(4 * recordCount, one);
    },
  },
  {
    name: 'BlockDigest',
    type: 'LowCardinality(String)',
    encode: (_, { id, recordCount }) => encodeConstantDictionary(id.digest, recordCount),
  },
  {
    name: 'Tenant',
    type: 'LowCardinality(String)',
    encode: ({ tenant }, { recordCount }) => encodeConstantDictionary(tenant, recordCount),
  },
];

/** Names and types of all columns of a completed block; a block of another format has only some of the agent's. */
export function completedColumns(format: BlockFormat = OTLP_BLOCK_FORMAT): readonly BlockColumn[] {
  return [...format.columns, ...SERVER_COLUMNS];
}

/**
 * One block of ClickHouse's Native format as zstd frames, one after the other.
 *
 * @param payload a validated payload of this header
 * @throws SluiceError `protocol_mismatch` for a format that is not among `formats`
 */
export function completeBlock(
  payload: Uint8Array,
  header: CompletedHeader,
  facts: ServerFacts,
  formats: BlockFormats = BLOCK_FORMATS,
): Buffer[] {
  const { formatNumber, frame } = splitPayload(payload);
  const format = formats.get(formatNumber);
  if (format === undefined) throw unknownFormat(formatNumber, formats);
  const added = compressFrame(
    Buffer.concat(SERVER_COLUMNS.flatMap((column) => [columnHead(column), column.encode(facts, header)])),
  );
  const counts = encodeCounts(format.columns.length + SERVER_COLUMNS.length, header.recordCount);
  if (format.encoding === 'otlp') {
    const content = decompressFrame(frame, header.rawBytes);
    const columns = columnsOfOtlp(content, { ...header.id, ...header });
    return [compressFrame(counts), compressFrame(columns), added];
  }
  if (format.countedServerColumns === undefined) return [compressFrame(counts), frame, added];
  const raw = decompressFrame(frame, header.rawBytes);
  const counted = encodeCounts(format.columns.length + format.countedServerColumns, header.recordCount);
  return [compressFrame(Buffer.concat([counts, raw.subarray(counted.length)])), added];
}
