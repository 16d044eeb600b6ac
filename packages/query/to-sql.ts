/**
 * Tree -> condition of a WHERE clause over the log table. Invariant: the text of a query reaches SQL only through
 * sql-text.ts; the condition is never NULL, so that negation is exact.
 */
import type { Match, QueryNode, TermNode } from './ast.ts';
import { meaningOf, type TextSource } from './fields.ts';
import { compareSql } from './operators/compare.ts';
import { equalsSql } from './operators/equals.ts';
import { fieldWildcardSql } from './operators/field-wildcard.ts';
import { phraseSql } from './operators/phrase.ts';
import { rangeSql } from './operators/range.ts';
import { recordIdSql } from './operators/record-id.ts';
import { regexSql } from './operators/regex.ts';
import { severitySql } from './operators/severity.ts';
import { timestampOriginSql } from './operators/timestamp-origin.ts';
import { urgencySql } from './operators/urgency.ts';
import { wordSql } from './operators/word.ts';
import { wordWildcardSql } from './operators/word-wildcard.ts';
import { queryError } from './query-error.ts';

const EVERYTHING = 'true';

/**
 * @returns an SQL condition; `true` for everything
 * @throws SluiceError `query_invalid` when a value does not fit its field
 */
export function toSql(node: QueryNode): string {
  switch (node.kind) {
    case 'everything':
      return EVERYTHING;
    case 'and':
      return `(${node.children.map(toSql).join(' AND ')})`;
    case 'or':
      return `(${node.children.map(toSql).join(' OR ')})`;
    case 'not':
      return `NOT (${toSql(node.child)})`;
    case 'term':
      return termSql(node);
    default:
      return node satisfies never;
  }
}

function termSql(term: TermNode): string {
  const { match, position } = term;
  if (term.field === undefined) return bodySql(match, position);
  const meaning = meaningOf(term.field);
  switch (meaning.kind) {
    case 'severity':
      return severitySql(match, position);
    case 'urgency':
      return urgencySql(match, position);
    case 'timestamp_origin':
      return timestampOriginSql(match, position);
    case 'record_id':
      return recordIdSql(match, position);
    case 'body':
      return bodySql(match, position);
    case 'text': {
      const conditions = meaning.sources.map((source) => sourceSql(source, match, position));
      return conditions.length === 1 ? conditions.join('') : `(${conditions.join(' OR ')})`;
    }
    default:
      return meaning satisfies never;
  }
}

function bodySql(match: Match, position: number): string {
  switch (match.kind) {
    case 'word':
      return match.parts.length === 1 ? wordSql(match.parts.join('')) : wordWildcardSql(match.parts);
    case 'phrase':
      return phraseSql(match.text) ?? EVERYTHING;
    case 'regex':
      return regexSql('Body', match.pattern);
    case 'exists':
      return "Body != ''";
    case 'compare':
    case 'range':
      throw queryError('expected a word, a "phrase" or a /regex/: the body is no number', position);
    default:
      return match satisfies never;
  }
}

function sourceSql(source: TextSource, match: Match, position: number): string {
  switch (match.kind) {
    case 'word':
      return match.parts.length === 1
        ? equalsSql(source, match.parts.join(''))
        : fieldWildcardSql(source, match.parts);
    case 'phrase':
      return equalsSql(source, match.text);
    case 'regex':
      return `(${source.present} AND ${regexSql(source.read, match.pattern)})`;
    case 'exists':
      return source.present;
    case 'compare':
      return compareSql(source.read, match.operator, match.value, position);
    case 'range':
      return rangeSql(source.read, match.low, match.high, position);
    default:
      return match satisfies never;
  }
}
