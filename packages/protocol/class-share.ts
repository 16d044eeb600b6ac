/**
 * U15: a minimum share for each class that waits behind more urgent ones, kept as credit in bytes: while a more urgent
 * class sends, each waiting class behind it earns its share of those bytes, and goes first once it can pay its block.
 *
 * Invariants: a class without backlog has no credit; credit never passes its bound; urgent never needs any.
 */
import { MAX_SHARE_CREDIT_BYTES } from './limits.ts';
import type { UrgencyClass } from './model.ts';
import { URGENCY_CLASSES } from './model.ts';

/** Shares and credits by rank. */
export interface ClassShares {
  readonly shares: readonly number[];
  readonly creditBytes: number[];
}

/** Shares are parts of 1; 0 gives a class no minimum. */
export function createClassShares(shares: Readonly<Record<UrgencyClass, number>>): ClassShares {
  return {
    shares: URGENCY_CLASSES.map((urgency) => shares[urgency]),
    creditBytes: URGENCY_CLASSES.map(() => 0),
  };
}

/** Whether a class may go ahead of more urgent ones with a block of this size. */
export function canPay(state: ClassShares, rank: number, rawBytes: number): boolean {
  return (state.creditBytes[rank] ?? 0) >= rawBytes;
}

/** Counts a sent block. `waits` tells whether a class has more; `overtook` that the block went on its credit. */
export function countSent(
  state: ClassShares,
  rank: number,
  rawBytes: number,
  overtook: boolean,
  waits: (rank: number) => boolean,
): void {
  const { shares, creditBytes } = state;
  if (overtook) creditBytes[rank] = (creditBytes[rank] ?? 0) - rawBytes;
  for (let behind = rank + 1; behind < shares.length; behind += 1) {
    const earned = (creditBytes[behind] ?? 0) + rawBytes * (shares[behind] ?? 0);
    creditBytes[behind] = waits(behind) ? Math.min(earned, MAX_SHARE_CREDIT_BYTES) : 0;
  }
}
