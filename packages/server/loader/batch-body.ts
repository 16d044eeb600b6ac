/**
 * The body of an insert: each block of a batch with what only the server knows (packages/block/completion.ts). Blocks
 * of several formats may be in one batch: the engine reads the columns of each block by their names, and gives a column that a
 * block does not have its default.
 *
 * Invariant: a function of the batch alone, and a batch never changes: every attempt has the same records.
 */

import { setImmediate } from 'node:timers/promises';
import { completeBlock, completedColumns } from '@sluice/block/completion';
import type { ServerId } from '@sluice/protocol/model';
import { DEFAULT_TENANT } from '@sluice/protocol/principal';
import type { JournalBatch, JournaledBlock } from '../journal/journal-records.ts';

/** Names of the columns of the insert: all that a block of any format may have. */
export const BATCH_COLUMNS: readonly string[] = completedColumns().map((column) => column.name);

/**
 * Others have a turn after each block of another encoding: making its columns takes milliseconds, and those of a whole batch
 * would hold up every urgent block for a second.
 *
 * @param signal ends it before the next block; the reason is thrown
 * @throws what `readPayload` throws, and SluiceError `protocol_mismatch` for a block of a newer program
 */
export async function batchBody(
  batch: JournalBatch,
  readPayload: (block: JournaledBlock) => Buffer,
  signal: AbortSignal,
): Promise<Buffer> {
  // The id was a ServerId when the batch was made; the journal keeps it as text.
  const serverId = batch.serverId as ServerId;
  const frames: Buffer[] = [];
  for (const block of batch.blocks) {
    const facts = { serverId, priority: block.priority, tenant: DEFAULT_TENANT };
    frames.push(...completeBlock(readPayload(block), block.header, facts));
    if (block.columnBytes === undefined) continue;
    await setImmediate();
    signal.throwIfAborted();
  }
  return Buffer.concat(frames);
}
