/** `urgency:urgent`: the class in which the record was sent: urgent, elevated, normal or bulk. */
import { URGENCY_CLASSES } from '@sluice/protocol/model';
import type { Match } from '../ast.ts';
import { queryError } from '../query-error.ts';

export function urgencySql(match: Match, position: number): string {
  if (match.kind === 'exists') return 'UrgencyClass > 0';
  const name = match.kind === 'phrase' ? match.text : match.kind === 'word' ? match.parts.join('*') : '';
  const rank = (URGENCY_CLASSES as readonly string[]).indexOf(name.toLowerCase());
  if (rank < 0) throw queryError(`expected one of ${URGENCY_CLASSES.join(', ')}`, position);
  return `UrgencyClass = ${rank + 1}`;
}
