/** `field:ali*`, `field:*.example.com`: the field's whole value, with any text at each `*`. */
import type { TextSource } from '../fields.ts';
import { likeLiteral, sqlString } from '../sql-text.ts';

/** @param parts the value cut at its wildcards; not all empty */
export function fieldWildcardSql(source: TextSource, parts: readonly string[]): string {
  const pattern = parts.map(likeLiteral).join('%');
  return `${source.read} LIKE ${sqlString(source.lowerCase ? pattern.toLowerCase() : pattern)}`;
}
