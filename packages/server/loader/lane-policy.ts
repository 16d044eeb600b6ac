/**
 * When a lane loads and how much at once (U18): a lane for urgency loads small and often, a lane for bulk large.
 *
 * Invariant: a batch never passes MAX_BATCH_RAW_BYTES, MAX_BATCH_RECORDS or MAX_BATCH_BLOCKS, but for a single block that
 * does; its blocks are of one day of observation, which is one partition, so that an insert is one part and atomic
 * (a block around midnight may touch two).
 */
import type { JournaledBlock, Lane } from '../journal/journal-records.ts';

/**
 * The engine cuts an insert at 256 MiB of columns in memory, which are two to three times the raw payload; staying below
 * makes one part of a batch.
 */
const MAX_BATCH_RAW_BYTES: number = 48 * 1024 * 1024;
/** The engine cuts an insert at 1048449 rows. A block that comes last may bring some more. */
const MAX_BATCH_RECORDS = 900_000;
/** Bounds the batch's record in the journal and the number of frames in a body. */
const MAX_BATCH_BLOCKS = 4096;
/** How far behind the first one blocks of the same day are looked for. */
const MAX_SCANNED_BLOCKS = 8192;
const DAY_MS = 86_400_000;

export interface LanePolicy {
  /** From the first block that waits until it is loaded, to let others join it. */
  readonly gatherMs: number;
  /**
   * From the start of one insert to the start of the next. Every insert is a part that the engine must merge; it lets
   * go of them at a rate of some ten a second.
   */
  readonly intervalMs: number;
  /**
   * The interval grows up to this while inserts take long (INTERVAL_PER_INSERT): a store that is busy is not made busier
   * with small parts, each of which it has to write, sync and merge.
   */
  readonly maxIntervalMs: number;
  /** Enough to be loaded without waiting any longer. */
  readonly fullRawBytes: number;
  /** Longest pause between attempts. */
  readonly maxRetryMs: number;
}

/** A lane that is not full inserts for at most a fifth of the time. */
export const INTERVAL_PER_INSERT = 5;

/** By lane. An urgent record is to be found some 100 ms after it arrived; bulk pays for that with patience. */
export const LANE_POLICIES: Readonly<Record<Lane, LanePolicy>> = {
  0: { gatherMs: 5, intervalMs: 100, maxIntervalMs: 200, fullRawBytes: 4 * 1024 * 1024, maxRetryMs: 1000 },
  1: { gatherMs: 50, intervalMs: 200, maxIntervalMs: 800, fullRawBytes: 16 * 1024 * 1024, maxRetryMs: 2000 },
  2: {
    gatherMs: 200,
    intervalMs: 500,
    maxIntervalMs: 1000,
    fullRawBytes: 32 * 1024 * 1024,
    maxRetryMs: 5000,
  },
  3: {
    gatherMs: 1000,
    intervalMs: 1000,
    maxIntervalMs: 2000,
    fullRawBytes: MAX_BATCH_RAW_BYTES,
    maxRetryMs: 5000,
  },
};

/** What a block brings into an insert, uncompressed. */
export function columnBytesOf(block: JournaledBlock): number {
  return block.columnBytes ?? block.header.rawBytes;
}

/** Picks the blocks of the next batch out of those that wait and may be loaded, the oldest first. */
export function selectBatch(
  waiting: Iterable<JournaledBlock>,
  mayLoad: (block: JournaledBlock) => boolean,
): JournaledBlock[] {
  const selected: JournaledBlock[] = [];
  let day = 0;
  let rawBytes = 0;
  let records = 0;
  let scanned = 0;
  for (const block of waiting) {
    scanned += 1;
    if (scanned > MAX_SCANNED_BLOCKS || selected.length === MAX_BATCH_BLOCKS) break;
    if (!mayLoad(block)) continue;
    const { header } = block;
    const blockDay = Math.floor(header.oldestObservedMs / DAY_MS);
    if (selected.length === 0) day = blockDay;
    else if (blockDay !== day) continue;
    else if (rawBytes + columnBytesOf(block) > MAX_BATCH_RAW_BYTES) break;
    else if (records + header.recordCount > MAX_BATCH_RECORDS) break;
    rawBytes += columnBytesOf(block);
    records += header.recordCount;
    selected.push(block);
  }
  return selected;
}
