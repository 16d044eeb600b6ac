/**
 * `"timed out"`: these words next to each other in the body, case-insensitively. A space in the phrase stands for any
 * run of spaces and punctuation; punctuation stands for itself.
 */
import {
  containsText,
  hasTokens,
  isAscii,
  looseSpacePattern,
  standsInBody,
  tokensOf,
} from '../text-index.ts';
import { wordSql } from './word.ts';

/** @returns undefined when the phrase is blank: everything has it */
export function phraseSql(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  if (!/\s/.test(trimmed)) return wordSql(trimmed);
  const tokens = tokensOf(trimmed);
  if (!isAscii(trimmed) || tokens.length === 0) return containsText(trimmed);
  const pattern = looseSpacePattern(trimmed);
  return `(${hasTokens(tokens)} AND ${standsInBody(pattern, trimmed.at(0) ?? '', trimmed.at(-1) ?? '')})`;
}
