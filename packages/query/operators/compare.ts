/** `field:>=500`, `field:<0.5`: the field's value as a number. A value that is no number does not match. */
import type { CompareOperator } from '../ast.ts';
import { queryError } from '../query-error.ts';

/** @param read SQL expression of the value, a text or a number */
export function compareSql(read: string, operator: CompareOperator, value: string, position: number): string {
  const number = readNumber(value, position);
  // NULL must not escape: NOT NULL is NULL, and a negation would lose the records without a number.
  return `ifNull(toFloat64OrNull(toString(${read})) ${operator} ${number}, false)`;
}

/** A number as the language writes it, as SQL. */
function readNumber(value: string, position: number): string {
  const number = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) {
    throw queryError(`expected a number instead of '${value.slice(0, 40).toWellFormed()}'`, position);
  }
  return String(number);
}
