/** `timestamp.origin:assumed`: how the event time came to be: read, assumed, inherited, clock or unknown. */
import { TIMESTAMP_ORIGIN_NUMBERS } from '@sluice/protocol/timestamp-origin';
import type { Match } from '../ast.ts';
import { queryError } from '../query-error.ts';

const NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(TIMESTAMP_ORIGIN_NUMBERS));

export function timestampOriginSql(match: Match, position: number): string {
  if (match.kind === 'exists') return `TimestampOrigin != ${TIMESTAMP_ORIGIN_NUMBERS.unknown}`;
  const name = match.kind === 'phrase' ? match.text : match.kind === 'word' ? match.parts.join('*') : '';
  const number = NUMBERS.get(name.toLowerCase());
  if (number === undefined) throw queryError(`expected one of ${[...NUMBERS.keys()].join(', ')}`, position);
  return `TimestampOrigin = ${number}`;
}
