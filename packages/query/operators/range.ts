/** `field:400..499`, `field:[400 TO 499]`: the field's value as a number between two, both included. */
import { compareSql } from './compare.ts';

/** @param low open when absent @param high open when absent */
export function rangeSql(
  read: string,
  low: string | undefined,
  high: string | undefined,
  position: number,
): string {
  const sides = [
    ...(low === undefined ? [] : [compareSql(read, '>=', low, position)]),
    ...(high === undefined ? [] : [compareSql(read, '<=', high, position)]),
  ];
  // Open on both sides still asks for a number.
  return sides.length === 0 ? `isNotNull(toFloat64OrNull(toString(${read})))` : `(${sides.join(' AND ')})`;
}
