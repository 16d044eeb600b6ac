/**
 * How the journal lays its state out in LMDB: names of the databases, keys, and the values that are not plain bytes. All but
 * payloads, which have their digests, stand with a checksum (packages/durable/lmdb/checked-value.ts).
 *
 *   meta      'format' | 'instance' | 'next_batch'    -> number | string | number
 *   headers   [lane, block number]                    -> BlockRecord     (waits, or is a member of a batch)
 *   payloads  [lane, block number]                    -> the payload, verbatim
 *   batches   [lane, batch number]                    -> BatchRecord
 *   set_aside [lane, block number]                    -> BlockRecord with the reason
 *   agents    epoch, agent id                         -> AgentRecord
 *   known     epoch, chunk, agent id                  -> digests of accepted blocks (known-blocks.ts)
 *
 * Invariant: what is read back is validated; anything unexpected is `state_corrupt`, never a wrong answer.
 */

import { SluiceError } from '@sluice/base/error';
import { parseDigest } from '@sluice/block/digest';
import { corruptState } from '@sluice/durable/corrupt-state';
import { withChecksum, withoutChecksum } from '@sluice/durable/lmdb/checked-value';
import type { AgentId, BlockDigest, BlockHeader, TimeMs, UrgencyClass } from '@sluice/protocol/model';
import { MAX_BLOCK_RAW_BYTES, MAX_ID_BYTES, URGENCY_CLASSES } from '@sluice/protocol/model';
import { z } from 'zod';
import { KNOWN_ENTRY_BYTES, POSITIONS_PER_CHUNK } from './known-blocks.ts';

/**
 * Version of this layout. A program never touches a newer one. Format 1 had no digests, formats 1 and 2 had no checksums
 * (journal-upgrade.ts).
 */
export const JOURNAL_FORMAT = 3;

/** Loading lane: the rank of the urgency class, 0 is loaded first. */
export type Lane = 0 | 1 | 2 | 3;
export const LANES: readonly Lane[] = [0, 1, 2, 3];
export const LOWEST_LANE: Lane = 3;

const lane = z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]);
const count = z.int().nonnegative();

const numberedKey: z.ZodType<[Lane, number]> = z.tuple([lane, count]);

/** A block's header as it is stored. */
export interface BlockRecord {
  readonly agentId: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly digest: string;
  readonly urgency: UrgencyClass;
  readonly rawBytes: number;
  readonly recordCount: number;
  readonly oldestObservedMs: number;
  readonly priority: number;
  readonly receivedMs: number;
  readonly payloadBytes: number;
  readonly columnBytes?: number | undefined;
  readonly inDoubtAt?: string | undefined;
  readonly isUnsure?: boolean | undefined;
  readonly setAsideReason?: string | undefined;
}
const blockRecord: z.ZodType<BlockRecord> = z.object({
  agentId: z.string().min(1),
  epoch: count,
  sequence: count,
  digest: z.string().regex(/^[0-9a-f]{32}$/),
  urgency: z.enum(URGENCY_CLASSES),
  rawBytes: count.max(MAX_BLOCK_RAW_BYTES),
  recordCount: count,
  oldestObservedMs: z.number(),
  priority: count,
  receivedMs: z.number(),
  payloadBytes: count,
  columnBytes: count.optional(),
  inDoubtAt: z.string().optional(),
  isUnsure: z.boolean().optional(),
  setAsideReason: z.string().optional(),
});

/** A batch: what is inserted at once, under which token and in whose name. None of it ever changes. */
export interface BatchRecord {
  readonly token: string;
  readonly serverId: string;
  readonly blockNumbers: readonly number[];
}
const batchRecord: z.ZodType<BatchRecord> = z.object({
  token: z.string().min(1),
  serverId: z.string().min(1),
  blockNumbers: z.array(count).min(1),
});

/** What is known of one (agent, epoch), but for the digests. */
export interface AgentRecord {
  readonly rememberedFrom: number;
  readonly touchedMs: number;
}
const agentRecord: z.ZodType<AgentRecord> = z.object({ rememberedFrom: count, touchedMs: z.number() });

/** A block in the journal. The payload stays on disk. */
export interface JournaledBlock {
  readonly lane: Lane;
  /** Names the block within the journal; counts up. */
  readonly number: number;
  readonly header: BlockHeader;
  /** Priority of the channel on which it came. */
  readonly priority: number;
  readonly receivedMs: number;
  readonly payloadBytes: number;
  /** What its columns take, uncompressed; left out where that is its raw size. */
  readonly columnBytes?: number;
  /** Another server may have it too, and may have brought it into the store (U14). */
  readonly inDoubtAt?: string;
  /** Its digest may have been forgotten: the store is asked for it before it is inserted. */
  readonly isUnsure?: boolean;
}

/** Blocks that are inserted into the store at once. */
export interface JournalBatch {
  readonly lane: Lane;
  readonly number: number;
  /** The deduplication token, the same for every attempt. */
  readonly token: string;
  /** In whose name its records are stored; fixed with the batch, so that every attempt has the same content. */
  readonly serverId: string;
  readonly blocks: readonly JournaledBlock[];
}

/** A block that the store refused for good. */
export interface SetAsideBlock extends JournaledBlock {
  readonly reason: string;
}

export function decodeNumberedKey(key: unknown): { lane: Lane; number: number } {
  const [keyLane, number] = decode(numberedKey, key, 'a key');
  return { lane: keyLane, number };
}

export function decodeBlockRecord(value: unknown): BlockRecord {
  return decode(blockRecord, value, 'a block header');
}

export function decodeBatchRecord(value: unknown): BatchRecord {
  return decode(batchRecord, value, 'a batch');
}

export function decodeAgentRecord(value: unknown): AgentRecord {
  return decode(agentRecord, value, 'what is known of an agent');
}

export function headerOf(record: BlockRecord): BlockHeader {
  return {
    // The ids were branded when they were written: this is where they come back from disk.
    id: {
      agentId: record.agentId as AgentId,
      epoch: record.epoch,
      sequence: record.sequence,
      digest: readStoredDigest(record.digest),
    },
    urgency: record.urgency,
    rawBytes: record.rawBytes,
    recordCount: record.recordCount,
    oldestObservedMs: record.oldestObservedMs as TimeMs,
  };
}

function readStoredDigest(text: string): BlockDigest {
  try {
    return parseDigest(text);
  } catch (error) {
    throw corrupt('a digest', error);
  }
}

/** Key of an agent: epoch first, because the id has no fixed length and may hold any byte. */
export function agentKey(agentId: string, epoch: number): Buffer {
  const id = Buffer.from(agentId, 'utf8');
  const key = Buffer.allocUnsafe(8 + id.length);
  key.writeBigUInt64BE(BigInt(epoch), 0);
  id.copy(key, 8);
  return key;
}

export function chunkKey(agentId: string, epoch: number, chunk: number): Buffer {
  const id = Buffer.from(agentId, 'utf8');
  const key = Buffer.allocUnsafe(16 + id.length);
  key.writeBigUInt64BE(BigInt(epoch), 0);
  key.writeBigUInt64BE(BigInt(chunk), 8);
  id.copy(key, 16);
  return key;
}

/** What stands for the digests of a chunk. */
export function encodeChunk(key: Buffer, entries: Uint8Array): Buffer {
  return withChecksum(key, entries);
}

export function decodeAgentKey(key: Uint8Array): { agentId: AgentId; epoch: number } {
  if (key.length <= 8) throw corrupt('a key of an agent');
  const bytes = Buffer.from(key);
  return { agentId: bytes.toString('utf8', 8) as AgentId, epoch: Number(bytes.readBigUInt64BE(0)) };
}

export function decodeChunk(
  key: Uint8Array,
  stored: Uint8Array,
): { agentId: AgentId; epoch: number; chunk: number; entries: Uint8Array } {
  const bytes = Buffer.from(key);
  const value = withoutChecksum(bytes, stored);
  if (value === undefined || bytes.length <= 16 || value.length % KNOWN_ENTRY_BYTES !== 0)
    throw corrupt('the digests of known blocks');
  const chunk = Number(bytes.readBigUInt64BE(8));
  if (chunk > Number.MAX_SAFE_INTEGER / POSITIONS_PER_CHUNK) throw corrupt('the digests of known blocks');
  return {
    agentId: bytes.toString('utf8', 16) as AgentId,
    epoch: Number(bytes.readBigUInt64BE(0)),
    chunk,
    entries: Uint8Array.from(value),
  };
}

/** `what` of the journal cannot be read. */
export function corrupt(what: string, cause?: unknown): SluiceError {
  return corruptState({ what: 'the journal', program: 'server' }, `${what} is damaged`, cause);
}

/** Throws SluiceError `limit_exceeded` when the id cannot be part of a key. */
export function checkAgentId(agentId: string): void {
  const length = Buffer.byteLength(agentId, 'utf8');
  if (length === 0 || length > MAX_ID_BYTES) {
    throw new SluiceError(
      'limit_exceeded',
      `an agent id has ${length} bytes, allowed are 1..${MAX_ID_BYTES}`,
    );
  }
}

function decode<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success) throw corrupt(what, result.error);
  return result.data;
}
