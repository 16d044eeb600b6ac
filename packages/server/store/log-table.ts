/**
 * The one place where the log table is read. Every statement that reads it is made here, and has a scope: what its asker
 * may see, and what the engine may do for it.
 *
 * Invariant: no other module but the schema and its migrations names the table (log-table.test.ts), so that nothing is read
 * without a scope; what a person searches for stands in parentheses beside the scope and cannot leave them (condition.ts).
 */
import { Condition } from '@sluice/query/condition';
import { LOG_TABLE } from './schema.ts';

/** Settings of the engine by name. */
export type EngineSettings = Readonly<Record<string, string>>;

/** What is added to each statement for the sake of who asks. */
export interface Scope {
  /** True of the records that may be seen. */
  readonly condition: Condition;
  /** The engine runs the statement with these. */
  readonly settings: EngineSettings;
}

/** Of a server's own questions, whose answers nobody is shown. Also what adds nothing to another scope. */
export const WHOLE_TABLE: Scope = { condition: Condition.everything, settings: {} };

/** @returns the scope that lets pass what both do; of a setting in both, the second one's counts */
export function narrowed(scope: Scope, further: Scope): Scope {
  return {
    condition: Condition.all([scope.condition, further.condition]),
    settings: { ...scope.settings, ...further.settings },
  };
}

/** A statement that reads the log table within a scope. */
export class LogStatement {
  readonly sql: string;
  readonly settings: EngineSettings;

  /**
   * @param where what is asked for
   * @param select the statement around `FROM ... WHERE ...`, which may be followed by GROUP BY and what comes after it
   */
  constructor(scope: Scope, where: Condition, select: (fromWhere: string) => string) {
    // The scope behind the question: as a rule it rules out fewer rows.
    this.sql = select(`FROM ${LOG_TABLE} WHERE ${Condition.all([where, scope.condition]).sql}`);
    this.settings = scope.settings;
  }
}

/** @returns an insert whose data comes in the format Native */
export function insertSql(columns: readonly string[]): string {
  return `INSERT INTO ${LOG_TABLE} (${columns.join(', ')}) FORMAT Native`;
}

export function deleteSql(where: Condition): string {
  return `DELETE FROM ${LOG_TABLE} WHERE ${where.sql}`;
}
