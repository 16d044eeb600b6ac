/**
 * The body of an insert: for each block of a batch its payload, verbatim, and the two columns that only the server
 * knows, each as one zstd frame (packages/wire/block-format.md).
 *
 * Invariant: a function of the batch alone, and a batch never changes: every attempt has the same records.
 */
import type { ServerId } from '@sluice/protocol/model';
import { BLOCK_COLUMNS } from '@sluice/wire/block-columns';
import { serverColumnsFrame } from '@sluice/wire/block-validator';
import type { JournalBatch, JournaledBlock } from '../journal/journal-records.ts';

/** Names of the columns in the order in which the body has them. */
export const BATCH_COLUMNS: readonly string[] = BLOCK_COLUMNS.map((column) => column.name);

/** Throws what `readPayload` throws. */
export function batchBody(batch: JournalBatch, readPayload: (block: JournaledBlock) => Buffer): Buffer {
  // The id was a ServerId when the batch was made; the journal keeps it as text.
  const serverId = batch.serverId as ServerId;
  const frames: Buffer[] = [];
  for (const block of batch.blocks) {
    frames.push(readPayload(block), serverColumnsFrame(block.header.recordCount, serverId, block.priority));
  }
  return Buffer.concat(frames);
}
