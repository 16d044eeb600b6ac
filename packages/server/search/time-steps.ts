/** Bucket lengths of histograms: the usual ones, which people read at a glance. Pure. */

const MS = 1_000_000n;
const SECOND = 1000n * MS;
const MINUTE = 60n * SECOND;
const HOUR = 60n * MINUTE;
const DAY = 24n * HOUR;

const USUAL_STEPS: readonly bigint[] = [
  ...[1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n].map((count) => count * MS),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((count) => count * SECOND),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((count) => count * MINUTE),
  ...[1n, 2n, 3n, 6n, 12n].map((count) => count * HOUR),
  ...[1n, 2n, 7n, 14n, 30n, 90n, 365n].map((count) => count * DAY),
];

export interface Buckets {
  /** Start of the first bucket, a multiple of the step since 1970. */
  readonly startNanos: bigint;
  readonly stepNanos: bigint;
  readonly count: number;
}

/**
 * The buckets that cover `start` (inclusive) to `end` (exclusive, behind start) with the smallest usual step that
 * needs at most `wanted` (1 or more) of them.
 */
export function bucketsFor(start: bigint, end: bigint, wanted: number): Buckets {
  const longest = USUAL_STEPS.at(-1) ?? DAY;
  for (let index = 0; ; index += 1) {
    // Behind the usual steps, the longest doubles until it is enough.
    const stepNanos = USUAL_STEPS[index] ?? longest << BigInt(index - USUAL_STEPS.length + 1);
    const startNanos = floorTo(start, stepNanos);
    const count = (end - 1n - startNanos) / stepNanos + 1n;
    // One bucket always suffices in the end unless the range crosses 1970, where no multiple covers both sides.
    if (count <= BigInt(wanted) || (count === 2n && start < 0n && end > 0n && stepNanos > end - start)) {
      return { startNanos, stepNanos, count: Number(count) };
    }
  }
}

function floorTo(value: bigint, step: bigint): bigint {
  const rest = value % step;
  return rest < 0n ? value - rest - step : value - rest;
}
