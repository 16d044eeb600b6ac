/**
 * A page of records: windows of time from the newest backwards that grow, so that the first page of a large table is quick
 * and a rare word is still found in its oldest corner.
 */
import { Condition } from '@sluice/query/condition';
import { z } from 'zod';
import { LogStatement, type Scope } from '../store/log-table.ts';
import { SEARCH_ORDER } from './cursor.ts';
import { FIRST_WINDOW_NANOS, MAX_PAGE_BYTES, MAX_STATEMENT_LENGTH, WINDOW_GROWTH } from './limits.ts';
import { type FoundRecord, RECORD_BYTES, RECORD_COLUMNS, RECORD_VALUES, readRow } from './record-row.ts';
import { isEmpty, isInRange, type NanosRange } from './time-range.ts';

/** Runs one query. `onStatement` is told its text with its settings. */
export type Rows = (
  statement: LogStatement,
  onStatement?: (statement: string) => void,
) => Promise<readonly unknown[][]>;

export interface FoundPage {
  readonly found: readonly FoundRecord[];
  readonly more: boolean;
}

interface Bounds {
  readonly start: bigint;
  readonly end: bigint;
}

const BOUNDS = z.tuple([z.string(), z.string(), z.string()]);

/** Oldest and newest event time in the range, as a closed range; undefined when there is nothing. */
export async function boundsOf(rows: Rows, scope: Scope, range: NanosRange): Promise<Bounds | undefined> {
  if (isEmpty(range)) return undefined;
  const [row] = await rows(
    new LogStatement(
      scope,
      isInRange(range),
      (from) =>
        'SELECT toString(toUnixTimestamp64Nano(min(Timestamp))), toString(toUnixTimestamp64Nano(max(Timestamp))), ' +
        `toString(count()) ${from}`,
    ),
  );
  const [oldest, newest, count] = BOUNDS.parse(row);
  return count === '0' ? undefined : { start: BigInt(oldest), end: BigInt(newest) + 1n };
}

/** The newest records of the range, and whether there are more. */
export async function readPage(
  rows: Rows,
  asked: {
    /** Of the whole range: second copies in it change nothing, and to leave them out would cost more. */
    readonly boundsScope: Scope;
    readonly scope: Scope;
    readonly range: NanosRange;
    readonly where: Condition;
    readonly limit: number;
  },
): Promise<FoundPage> {
  const { boundsScope, scope, range, where, limit } = asked;
  const found: FoundRecord[] = [];
  let bytes = 0;
  const bounds = await boundsOf(rows, boundsScope, range);
  for (const window of bounds === undefined ? [] : windowsOf(bounds)) {
    const wanted = limit - found.length;
    // One more than wanted tells whether there is another page.
    const page = await rows(pageStatement(scope, Condition.all([isInRange(window), where]), wanted + 1));
    const matched = Number(page[0]?.at(-1) ?? 0);
    const taken = page.slice(0, wanted).map(readRow);
    found.push(...taken);
    bytes += taken.reduce((sum, { record }) => sum + (record.body?.length ?? 0), 0);
    if (matched > taken.length || bytes > MAX_PAGE_BYTES) return { found, more: true };
  }
  return { found, more: false };
}

/** The range cut into windows, newest first, each longer than the one before. */
export function* windowsOf(bounds: Bounds): Generator<Bounds, void, void> {
  let { end } = bounds;
  let length = FIRST_WINDOW_NANOS;
  while (end > bounds.start) {
    const covered = end - bounds.start;
    const window = { start: length < covered ? end - length : bounds.start, end };
    yield window;
    end = window.start;
    length *= WINDOW_GROWTH;
  }
}

/** A page, newest first; the last value of each row is how many rows there are without the bound on bytes. */
function pageStatement(scope: Scope, where: Condition, limit: number): LogStatement {
  return new LogStatement(
    scope,
    where,
    (from) =>
      `SELECT ${RECORD_VALUES}, matched FROM (` +
      `SELECT *, count() OVER () AS matched, sum(bytes) OVER (ORDER BY ${SEARCH_ORDER} ROWS UNBOUNDED PRECEDING) AS sent FROM (` +
      `SELECT ${RECORD_COLUMNS}, ${RECORD_BYTES} AS bytes ${from} ORDER BY ${SEARCH_ORDER} LIMIT ${limit})) ` +
      `WHERE sent - bytes < ${MAX_PAGE_BYTES} ORDER BY ${SEARCH_ORDER}`,
  );
}

/** The statements as one text that can be run as it is. */
export function shownStatements(statements: readonly string[]): string {
  const shown = statements.map((statement) =>
    statement.length > MAX_STATEMENT_LENGTH
      ? `/* a statement of ${statement.length} characters, too long to be shown */`
      : statement,
  );
  return shown.join(';\n');
}
