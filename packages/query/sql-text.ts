/**
 * User text into SQL, the only place where it happens. Values become string literals instead of query parameters,
 * because the embedded engine runs parameterized queries one at a time for the whole process, and because SQL with
 * its values in it can be shown to people and run again.
 *
 * Invariant: whatever the text, the result is one string literal of ClickHouse that reads back as the same text (lone
 * surrogates become U+FFFD, as in any UTF-8 encoding).
 */

/** A ClickHouse string literal of the text. */
export function sqlString(text: string): string {
  return `'${text.toWellFormed().replace(SPECIAL, escapeCharacter)}'`;
}

/** The text as a regular expression of RE2 that matches exactly it. */
export function regexLiteral(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** The text as a LIKE pattern that matches exactly it. */
export function likeLiteral(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

// Control characters are escaped as well: they are valid raw, but SQL that people see should stay on its line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped here
const SPECIAL = /[\\'\u0000-\u001f\u007f]/g;

function escapeCharacter(character: string): string {
  if (character === '\\' || character === "'") return `\\${character}`;
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
