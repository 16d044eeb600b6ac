/** Where a query has regular expressions: whether one is well-formed is only known to the engine that runs it. */
import type { QueryNode } from './ast.ts';

export interface RegexTerm {
  readonly pattern: string;
  /** Offset in the query. */
  readonly position: number;
}

/** In the order of the query. */
export function regexTerms(node: QueryNode): RegexTerm[] {
  switch (node.kind) {
    case 'everything':
      return [];
    case 'and':
    case 'or':
      return node.children.flatMap(regexTerms);
    case 'not':
      return regexTerms(node.child);
    case 'term':
      return node.match.kind === 'regex' ? [{ pattern: node.match.pattern, position: node.position }] : [];
    default:
      return node satisfies never;
  }
}
