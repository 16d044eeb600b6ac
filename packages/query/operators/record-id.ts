/** `id:agent.epoch.sequence.record`: one record by its permanent id. */
import type { Match } from '../ast.ts';
import { queryError } from '../query-error.ts';
import { sqlString } from '../sql-text.ts';

export function recordIdSql(match: Match, position: number): string {
  const text = match.kind === 'phrase' ? match.text : match.kind === 'word' ? match.parts.join('*') : '';
  // The agent's name may have dots itself; 19 digits always fit into UInt64.
  const found = /^(.+)\.(\d{1,19})\.(\d{1,19})\.(\d{1,9})$/su.exec(text);
  if (found === null) throw queryError('expected an id: agent.epoch.sequence.record', position);
  const [, agent = '', epoch = '', sequence = '', record = ''] = found;
  return `(AgentId = ${sqlString(agent)} AND BlockEpoch = ${epoch} AND BlockSequence = ${sequence} AND RecordNumber = ${record})`;
}
