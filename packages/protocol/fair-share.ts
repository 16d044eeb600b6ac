/**
 * U17: max-min fair shares. Nobody gets more than wanted, and what one leaves is shared by the others.
 *
 * Invariants: pure; the shares never add up to more than what there is.
 */

/**
 * The level up to which each want is filled.
 * @param wantsBytes what each wants, at least 0.
 * @param availableBytes what there is, at least 0.
 * @returns bytes; Infinity when there is enough for all.
 */
export function fairLevelBytes(wantsBytes: readonly number[], availableBytes: number): number {
  const ascending = [...wantsBytes].sort((a, b) => a - b);
  let leftBytes = availableBytes;
  for (const [index, want] of ascending.entries()) {
    const level = leftBytes / (ascending.length - index);
    if (want > level) return Math.floor(level);
    leftBytes -= want;
  }
  return Number.POSITIVE_INFINITY;
}
