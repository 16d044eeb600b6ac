/** `time*`, `*out`, `conn*reset`: words of the body with any run of non-space characters at each `*`. Scans. */
import { regexLiteral, sqlString } from '../sql-text.ts';
import { isAscii, standsInBody } from '../text-index.ts';

/** @param parts the word cut at its wildcards; two or more, not all empty */
export function wordWildcardSql(parts: readonly string[]): string {
  const pattern = parts
    .map((part) => regexLiteral(part.toLowerCase()))
    .join('\\S*')
    .replace(/^(?:\\S\*)+/, '')
    .replace(/(?:\\S\*)+$/, '');
  if (!parts.every(isAscii)) return `match(lowerUTF8(Body), ${sqlString(pattern)})`;
  return standsInBody(pattern, parts.at(0)?.at(0) ?? '', parts.at(-1)?.at(-1) ?? '');
}
