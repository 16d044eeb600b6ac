/** What belongs together in a transaction of the queue. */
import type { Transaction } from '@sluice/durable/lmdb/environment';
import type { CheckpointChange } from '@sluice/source/checkpoint-change';
import type { QueueDatabases } from './queue-databases.ts';
import type { NewBlock } from './queued-block.ts';
import { storeHeader } from './stored.ts';

/** Puts blocks and the read positions behind them. */
export function putCut(
  write: Transaction,
  { environment, headers, payloads, checkpoints }: QueueDatabases,
  blocks: readonly NewBlock[],
  changes: readonly CheckpointChange[],
): void {
  for (const { header, payload } of blocks) {
    write.put(payloads, header.id.sequence, asBuffer(payload));
    write.put(headers, header.id.sequence, storeHeader(header, payload.length));
  }
  for (const { key, value } of changes) {
    if (value === undefined) write.remove(checkpoints, key);
    else write.put(checkpoints, key, value);
  }
  const last = blocks.at(-1)?.header.id.sequence;
  if (last !== undefined) write.put(environment.meta, 'nextSequence', last + 1);
}

/** Removes all that is stored of a block that waits. */
export function removeBlock(
  write: Transaction,
  { payloads, headers, inDoubt }: QueueDatabases,
  sequence: number,
): void {
  write.remove(payloads, sequence);
  write.remove(headers, sequence);
  write.remove(inDoubt, sequence);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
