/** For tests: the names that the engine in use has. */
import { Session } from 'chdb';

/** @returns all names in the table of the database `system`; blanks in a name become `_` */
export function engineNames(table: string): Set<string> {
  const session = new Session();
  const found = session.query(`SELECT DISTINCT replaceAll(name, ' ', '_') FROM system.${table}`, 'TSV');
  const names = new Set(String(found).trim().split('\n'));
  session.close();
  return names;
}
