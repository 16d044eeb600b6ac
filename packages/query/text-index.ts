/**
 * The one place that knows how the text index of the log table cuts bodies into tokens and how SQL asks it.
 *
 * The index (`body_words`) is over lower-cased bodies, cut at every ASCII character that is neither letter nor digit;
 * bytes outside of ASCII belong to tokens. So a query's ASCII words are tokens, and other scripts are searched as
 * substrings. `hasAllTokens` means the same for parts of the table whose index is not built yet.
 */
import { regexLiteral, sqlString } from './sql-text.ts';

/** The body as patterns see it, and the very expression that the index is over: `lower` folds ASCII. */
const FOLDED_BODY = 'lower(Body)';
/** Tokens that one call of the engine's function takes. */
const MAX_TOKENS_PER_CALL = 64;

/** A character that ends a token, as RE2 sees it in lower-cased text: ASCII but no letter or digit. */
const SEPARATOR = '[\\x00-\\x2f\\x3a-\\x60\\x7b-\\x7f]';

/** True when the text's words are tokens of the index. */
export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant
  return /^[\x00-\x7f]*$/.test(text);
}

/** The tokens of an ASCII text, lower-cased, in order. */
export function tokensOf(text: string): string[] {
  return text.toLowerCase().match(/[0-9a-z]+/g) ?? [];
}

/** Condition that the index answers: the body has all these tokens, anywhere. At least one token. */
export function hasTokens(tokens: readonly string[]): string {
  const different = [...new Set(tokens)];
  const calls: string[] = [];
  for (let start = 0; start < different.length; start += MAX_TOKENS_PER_CALL) {
    const some = different.slice(start, start + MAX_TOKENS_PER_CALL);
    calls.push(`hasAllTokens(${FOLDED_BODY}, [${some.map(sqlString).join(', ')}])`);
  }
  return calls.join(' AND ');
}

/**
 * Condition, checked on the text itself: the pattern stands in the lower-cased body, not inside of longer words.
 *
 * @param pattern RE2, for lower-cased text
 * @param first first character of what is looked for; a boundary is wanted only next to a letter or digit
 * @param last its last character; empty when anything may follow
 */
export function standsInBody(pattern: string, first: string, last: string): string {
  const before = /[0-9a-z]/i.test(first) ? `(?:^|${SEPARATOR})` : '';
  const after = /[0-9a-z]/i.test(last) ? `(?:$|${SEPARATOR})` : '';
  return `match(${FOLDED_BODY}, ${sqlString(`${before}${pattern}${after}`)})`;
}

/** RE2 pattern of an ASCII text for the lower-cased body; a run of spaces in it is any run of separators. */
export function looseSpacePattern(text: string): string {
  return text.toLowerCase().split(/\s+/).map(regexLiteral).join(`${SEPARATOR}+`);
}

/** Condition: the body contains the text, whatever its case in any script. Scans. */
export function containsText(text: string): string {
  return `positionCaseInsensitiveUTF8(Body, ${sqlString(text)}) > 0`;
}
