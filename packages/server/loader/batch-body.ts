import type { JournalBatch, JournaledBlock } from '../journal/journal-records.ts';
export const BATCH_COLUMNS: readonly string[] = [];
export function batchBody(batch: JournalBatch, readPayload: (block: JournaledBlock) => Buffer): Buffer {
  return Buffer.concat(batch.blocks.map(readPayload));
}
