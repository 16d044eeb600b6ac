import { parseQuery } from '../parse.ts';
import { toSql } from '../to-sql.ts';

/** The text of a query as an SQL condition. @throws SluiceError `query_invalid` */
export function queryToSql(text: string): string {
  return toSql(parseQuery(text));
}
