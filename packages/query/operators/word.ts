/**
 * `timeout`, `10.0.0.1`: the text as whole words of the body, case-insensitively. A word with punctuation inside is
 * its tokens and its very text; other scripts than ASCII are found as substrings, since they do not always separate
 * words.
 */
import { regexLiteral } from '../sql-text.ts';
import { containsText, hasTokens, isAscii, standsInBody, tokensOf } from '../text-index.ts';

/** @param text not empty */
export function wordSql(text: string): string {
  if (!isAscii(text)) return containsText(text);
  const tokens = tokensOf(text);
  const [first] = tokens;
  if (first === undefined) return containsText(text);
  if (first === text.toLowerCase()) return hasTokens(tokens);
  const literal = regexLiteral(text.toLowerCase());
  return `(${hasTokens(tokens)} AND ${standsInBody(literal, text.at(0) ?? '', text.at(-1) ?? '')})`;
}
