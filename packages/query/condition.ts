/**
 * Conditions on the rows of the log table, built of pieces: columns, values, parsed queries. Whoever adds one to a
 * statement need not know how it was written.
 *
 * Invariant: the SQL of a condition is one whole expression. Between two parentheses it stays what it is, whatever stands
 * beside it: it cannot end the parenthesis, begin a comment, or begin another statement.
 */
import { SluiceError } from '@sluice/base/error';
import type { QueryNode } from './ast.ts';
import { sqlString } from './sql-text.ts';
import { toSql } from './to-sql.ts';

/** A value in a condition. */
export type Value = string | number | bigint;

const COLUMN = /^[A-Za-z]+$/;

export class Condition {
  /** True of every row. */
  static readonly everything: Condition = new Condition('true');
  /** True of no row. */
  static readonly nothing: Condition = new Condition('false');

  /** A whole expression. */
  readonly sql: string;

  private constructor(sql: string) {
    this.sql = sql;
  }

  /** What a query of the search language says. @throws QueryError when a value does not fit its field */
  static ofQuery(query: QueryNode): Condition {
    return Condition.ofSql(toSql(query));
  }

  /**
   * An expression that this program wrote.
   *
   * @throws SluiceError `internal` when it is not whole
   */
  static ofSql(sql: string): Condition {
    if (sql === Condition.everything.sql) return Condition.everything;
    const fault = faultOf(sql);
    if (fault !== undefined)
      throw new SluiceError('internal', `an SQL condition is not a whole expression: ${fault}`);
    return new Condition(sql);
  }

  static equals(column: string, value: Value): Condition {
    return new Condition(`${columnSql(column)} = ${valueSql(value)}`);
  }

  /** @param rows of as many values as there are columns */
  static isIn(columns: readonly string[], rows: readonly (readonly Value[])[]): Condition {
    return rows.length === 0 ? Condition.nothing : new Condition(inSql(columns, 'IN', rows));
  }

  static isNotIn(columns: readonly string[], rows: readonly (readonly Value[])[]): Condition {
    return rows.length === 0 ? Condition.everything : new Condition(inSql(columns, 'NOT IN', rows));
  }

  static all(conditions: readonly Condition[]): Condition {
    const parts = conditions.filter((condition) => condition !== Condition.everything);
    return Condition.#joined(parts, ' AND ') ?? Condition.everything;
  }

  static any(conditions: readonly Condition[]): Condition {
    if (conditions.includes(Condition.everything)) return Condition.everything;
    const parts = conditions.filter((condition) => condition !== Condition.nothing);
    return Condition.#joined(parts, ' OR ') ?? Condition.nothing;
  }

  static not(condition: Condition): Condition {
    if (condition === Condition.everything) return Condition.nothing;
    if (condition === Condition.nothing) return Condition.everything;
    return new Condition(`NOT (${condition.sql})`);
  }

  static #joined(parts: readonly Condition[], word: ' AND ' | ' OR '): Condition | undefined {
    return parts.length > 1 ? new Condition(parts.map(({ sql }) => `(${sql})`).join(word)) : parts[0];
  }
}

function columnSql(column: string): string {
  if (!COLUMN.test(column)) throw new SluiceError('internal', `not a column of the log table: ${column}`);
  return column;
}

function valueSql(value: Value): string {
  if (typeof value === 'string') return sqlString(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new SluiceError('internal', `not a whole number that SQL and this program write alike: ${value}`);
  return String(value);
}

function inSql(
  columns: readonly string[],
  word: 'IN' | 'NOT IN',
  rows: readonly (readonly Value[])[],
): string {
  const tuple = (values: readonly string[]): string =>
    values.length === 1 ? values.join('') : `(${values.join(', ')})`;
  return `${tuple(columns.map(columnSql))} ${word} (${rows.map((row) => tuple(row.map(valueSql))).join(', ')})`;
}

const CLOSED_BY: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);
/** Outside of a string: other kinds of quotes, ends of a statement, and what only strings may hold. */
const NEVER = /["`;#\\]/;

/** @returns why the text is no whole expression; undefined when it is one */
function faultOf(sql: string): string | undefined {
  const awaited: string[] = [];
  for (let at = 0; at < sql.length; at += 1) {
    const character = sql[at] ?? '';
    const closing = CLOSED_BY.get(character);
    if (character === "'") {
      at = endOfString(sql, at);
      if (at < 0) return 'a string does not end';
    } else if (closing !== undefined) awaited.push(closing);
    else if (')]}'.includes(character)) {
      if (awaited.pop() !== character) return `a ${character} that nothing opened`;
    } else if (NEVER.test(character)) return `a ${character} outside of a string`;
    else if (sql.startsWith('--', at) || sql.startsWith('/*', at)) return 'a comment';
  }
  if (awaited.length > 0) return `${awaited.length} brackets are open at its end`;
  return sql.trim() === '' ? 'it is empty' : undefined;
}

/** @returns the offset of the quote that ends the string at `start`; -1 when there is none */
function endOfString(sql: string, start: number): number {
  for (let at = start + 1; at < sql.length; at += 1) {
    if (sql[at] === '\\') at += 1;
    else if (sql[at] === "'") return at;
  }
  return -1;
}
