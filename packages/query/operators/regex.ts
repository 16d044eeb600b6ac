/** `/pattern/`: an RE2 regular expression somewhere in a text, case-sensitive unless it begins with `(?i)`. Scans. */
import { sqlString } from '../sql-text.ts';

/** @param read SQL expression of the text */
export function regexSql(read: string, pattern: string): string {
  return `match(${read}, ${sqlString(pattern)})`;
}
