/**
 * A parsed query as plain data. Invariant: every tree that the parser returns is within the limits of limits.ts; each
 * leaf knows its offset in the text, so that errors found later can still point at it.
 */

export type QueryNode =
  | { readonly kind: 'everything' }
  | { readonly kind: 'and'; readonly children: readonly QueryNode[] }
  | { readonly kind: 'or'; readonly children: readonly QueryNode[] }
  | { readonly kind: 'not'; readonly child: QueryNode }
  | TermNode;

/** One condition: on the body (`field` absent) or on a named field. */
export interface TermNode {
  readonly kind: 'term';
  readonly field: string | undefined;
  readonly match: Match;
  /** Offset of the term's value in the query. */
  readonly position: number;
}

export type Match =
  /** A bare word, cut at its wildcards: `time*out` is `['time', 'out']`; without a wildcard it has one part. */
  | { readonly kind: 'word'; readonly parts: readonly string[] }
  /** Text in quotes, unescaped. */
  | { readonly kind: 'phrase'; readonly text: string }
  /** An RE2 pattern. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** `field:*` */
  | { readonly kind: 'exists' }
  | { readonly kind: 'compare'; readonly operator: CompareOperator; readonly value: string }
  /** Both ends inclusive; an absent end is open. */
  | { readonly kind: 'range'; readonly low: string | undefined; readonly high: string | undefined };

export type CompareOperator = '>=' | '<=' | '>' | '<';
