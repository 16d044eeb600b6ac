/**
 * Keeps second copies of moved blocks out of every answer (U14): what is asked of the log table carries a condition that
 * hides them, as the table of moved blocks says.
 *
 * Invariants:
 * - While no block is on the move the condition is empty, and the table is read at most once in MAX_VIEW_AGE_MS.
 * - All queries of one answer use one view of the table. It is good for HOLD_SETTLE_MS from before it was read: a server
 *   waits for so long between hiding its copy and inserting it. An answer that took longer is only given when no copy has
 *   been hidden meanwhile; else it is made again.
 */
import { sqlString } from '@sluice/query/sql-text';
import {
  type Copy,
  copyKey,
  HOLD_SETTLE_MS,
  ID_COLUMNS,
  idSql,
  type MovedCopies,
  type MovedCopy,
} from '../store/moved-copies.ts';
import { searchBusy } from './search-errors.ts';

/** Answers that come close together share a view. Well below HOLD_SETTLE_MS, of which the rest is left for the answer. */
export const MAX_VIEW_AGE_MS = 500;
/** Stands in each condition that hides copies: its query is to have HIDING_SETTINGS. */
export const HIDING_MARK = '/* second copies */';
/** The engine then looks at tuples only in the rows that a number let through: five times as quick. */
export const HIDING_SETTINGS: Readonly<Record<string, string>> = {
  short_circuit_function_evaluation: 'force_enable',
};
/** How often an answer is made again before its reader is asked for patience. */
export const MAX_ATTEMPTS = 5;
/** Blocks move only for as long as a server was just lost. */
const MOVING_RETRY_MS = 5_000;

export interface HiddenCopies {
  /**
   * Makes an answer. `work` gets a condition to be added to each WHERE: empty, or beginning with ` AND `; it may be called
   * several times, and only the last outcome counts.
   *
   * @throws SluiceError `busy` when blocks move faster than the answer can be made; what `work` throws
   */
  answer<T>(work: (condition: string) => Promise<T>): Promise<T>;
}

/** For a store that only one server writes into. */
export const NOTHING_HIDDEN: HiddenCopies = { answer: (work) => work('') };

interface View {
  /** Before it was read, by a clock that only goes forward. */
  readonly startedMs: number;
  readonly keys: ReadonlySet<string>;
  readonly condition: string;
}

export function createHiddenCopies(moved: Pick<MovedCopies, 'read'>): HiddenCopies {
  let latest: Promise<View> | undefined;
  let latestStartedMs = Number.NEGATIVE_INFINITY;

  const readView = (): Promise<View> => {
    const startedMs = performance.now();
    const view = moved.read().then((rows) => ({
      startedMs,
      keys: new Set(rows.map(copyKey)),
      condition: hidingSql(rows),
    }));
    latest = view;
    latestStartedMs = startedMs;
    // A view that could not be read is nobody's view.
    view.catch(() => {
      if (latest === view) latest = undefined;
    });
    return view;
  };

  return {
    answer: async (work) => {
      const isRecent = performance.now() - latestStartedMs < MAX_VIEW_AGE_MS;
      let view = await (isRecent && latest !== undefined ? latest : readView());
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
        const answer = await work(view.condition);
        if (performance.now() - view.startedMs < HOLD_SETTLE_MS) return answer;
        const { keys } = view;
        view = await readView();
        if (view.keys.isSubsetOf(keys)) return answer;
      }
      throw searchBusy(MOVING_RETRY_MS, 'busy moving logs between servers, faster than they can be searched');
    },
  };
}

/** @returns a condition that hides what is not to be shown, beginning with ` AND `; empty when nothing is hidden */
export function hidingSql(rows: readonly MovedCopy[]): string {
  const kept = new Map<string, Copy>();
  for (const row of rows) {
    if (row.state !== 'kept') continue;
    const key = idSql(row.id);
    const other = kept.get(key);
    if (other === undefined || row.serverId < other.serverId) kept.set(key, row);
  }
  const held = rows.filter((row) => row.state === 'held' && !kept.has(idSql(row.id)));
  const hidden: string[] = [];
  if (kept.size > 0) {
    const ids = [...kept.keys()].map((id) => `(${id})`);
    const shown = [...kept.values()].map(copySql);
    hidden.push(
      `(${sequencesSql([...kept.values()])} AND (${ID_COLUMNS}) IN (${ids.join(', ')}) ` +
        `AND (${ID_COLUMNS}, ServerId) NOT IN (${shown.join(', ')}))`,
    );
  }
  if (held.length > 0) {
    const copies = held.map(copySql);
    hidden.push(`(${sequencesSql(held)} AND (${ID_COLUMNS}, ServerId) IN (${copies.join(', ')}))`);
  }
  return hidden.length === 0 ? '' : ` AND NOT ${HIDING_MARK} (${hidden.join(' OR ')})`;
}

/** Numbers are compared quickly, and rule out nearly every row: with HIDING_SETTINGS no tuple is put together for it. */
function sequencesSql(copies: readonly Copy[]): string {
  return `BlockSequence IN (${[...new Set(copies.map(({ id }) => id.sequence))].join(', ')})`;
}

function copySql({ id, serverId }: Copy): string {
  return `(${idSql(id)}, ${sqlString(serverId)})`;
}
