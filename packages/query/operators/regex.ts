/** `/pattern/`: an RE2 regular expression somewhere in a text, case-sensitive unless it begins with `(?i)`. Scans. */
import { sqlString } from '../sql-text.ts';

/**
 * The comparison of a constant is computed before anything is read: so the engine refuses a wrong pattern always, also
 * where an index leaves no record to hold it against.
 *
 * @param read SQL expression of the text
 */
export function regexSql(read: string, pattern: string): string {
  const literal = sqlString(pattern);
  return `(match('', ${literal}) >= 0 AND match(${read}, ${literal}))`;
}
