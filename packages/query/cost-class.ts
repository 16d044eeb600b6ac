/**
 * What answering a query takes for each row that is looked at, from its text alone: `narrow` compares small columns;
 * `indexed` reads texts, but an index says where; `scan` reads the text of every row. A guess about speed, never about
 * what is found.
 */
import type { QueryNode, TermNode } from './ast.ts';
import { meaningOf } from './fields.ts';
import { isAscii, tokensOf } from './text-index.ts';

export type CostClass = 'narrow' | 'indexed' | 'scan';

export function costClassOf(node: QueryNode): CostClass {
  switch (node.kind) {
    case 'everything':
      return 'narrow';
    case 'and': {
      const classes = node.children.map(costClassOf);
      // The index of one condition rules out most rows for all the others.
      if (classes.includes('indexed')) return 'indexed';
      return classes.includes('scan') ? 'scan' : 'narrow';
    }
    case 'or': {
      const classes = node.children.map(costClassOf);
      if (classes.includes('scan')) return 'scan';
      return classes.includes('indexed') ? 'indexed' : 'narrow';
    }
    case 'not':
      // An index tells where something is, not where it is not.
      return costClassOf(node.child) === 'narrow' ? 'narrow' : 'scan';
    case 'term':
      return termClass(node);
    default:
      return node satisfies never;
  }
}

function termClass({ field, match }: TermNode): CostClass {
  const meaning = field === undefined ? undefined : meaningOf(field);
  if (meaning === undefined || meaning.kind === 'body') {
    const text = match.kind === 'phrase' ? match.text : match.kind === 'word' ? match.parts.join('') : '';
    const isWhole = match.kind === 'phrase' || (match.kind === 'word' && match.parts.length === 1);
    return isWhole && isAscii(text) && tokensOf(text).length > 0 ? 'indexed' : 'scan';
  }
  if (meaning.kind !== 'text') return 'narrow';
  if (!meaning.sources.some(({ read }) => read.includes('Attributes['))) return 'narrow';
  const isEqual = match.kind === 'phrase' || (match.kind === 'word' && match.parts.length === 1);
  return isEqual || match.kind === 'exists' ? 'indexed' : 'scan';
}
