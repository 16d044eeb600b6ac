/** `field:value`, `field:"a value"`: the field's whole value, case-sensitively. */
import type { TextSource } from '../fields.ts';
import { sqlString } from '../sql-text.ts';

export function equalsSql(source: TextSource, value: string): string {
  const text = source.lowerCase ? value.toLowerCase() : value;
  const condition = `${source.read} = ${sqlString(text)}`;
  // An attribute that is not there reads as empty, so emptiness needs the attribute as well.
  return text === '' ? `(${source.present} AND ${condition})` : condition;
}
