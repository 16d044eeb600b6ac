/**
 * The blocks of one class in order of sequence. A heap and not a list, because blocks come back (in doubt, refused)
 * and are then older than what waits.
 */

import { RemovalHeap } from '@sluice/base/collections/removal-heap';
import type { BlockEntry } from './agent-state.ts';

export type BlockHeap = RemovalHeap<BlockEntry>;

/** One that holds no block. */
export function createBlockHeap(): BlockHeap {
  return new RemovalHeap(isOlder);
}

/** True when a comes before b: by sequence, then epoch. */
export function isOlder(a: BlockEntry, b: BlockEntry): boolean {
  const order = a.header.id.sequence - b.header.id.sequence;
  return order < 0 || (order === 0 && a.header.id.epoch < b.header.id.epoch);
}
