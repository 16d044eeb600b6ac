/** Ranges of event time, in nanoseconds since 1970, and their SQL. */
import { Condition } from '@sluice/query/condition';
import type { TimeRange } from '@sluice/wire/gen/query_pb';

/** Start inclusive, end exclusive; an absent side is open. */
export interface NanosRange {
  readonly start: bigint | undefined;
  readonly end: bigint | undefined;
}

export function nanosRange(range: TimeRange | undefined): NanosRange {
  return { start: range?.startUnixNanos, end: range?.endUnixNanos };
}

/** True when no time is in the range. */
export function isEmpty(range: NanosRange): boolean {
  return range.start !== undefined && range.end !== undefined && range.start >= range.end;
}

/** The moment as SQL, of the column's own type. */
export function momentSql(nanos: bigint): string {
  return `fromUnixTimestamp64Nano(toInt64('${nanos}'))`;
}

/** The record's event time is in the range. */
export function isInRange(range: NanosRange): Condition {
  const sides = [
    ...(range.start === undefined ? [] : [`Timestamp >= ${momentSql(range.start)}`]),
    ...(range.end === undefined ? [] : [`Timestamp < ${momentSql(range.end)}`]),
  ];
  return Condition.all(sides.map((side) => Condition.ofSql(side)));
}
