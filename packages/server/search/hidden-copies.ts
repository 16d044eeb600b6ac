/**
 * Keeps second copies of moved blocks out of every answer (U14): what is asked of the log table has a scope that hides
 * them, as the table of moved blocks says.
 *
 * Invariants:
 * - While no block is on the move the scope adds nothing, and the table is read at most once in MAX_VIEW_AGE_MS.
 * - All queries of one answer use one view of the table. It is good for HOLD_SETTLE_MS from the start of its reading: a server
 *   waits that long between hiding its copy and inserting it. An answer that took longer is only given when no copy has
 *   been hidden meanwhile; else it is made again.
 */
import { blockKey } from '@sluice/protocol/model';
import { Condition, type Value } from '@sluice/query/condition';
import { type EngineSettings, type Scope, WHOLE_TABLE } from '../store/log-table.ts';
import {
  type Copy,
  copyKey,
  HOLD_SETTLE_MS,
  ID_COLUMNS,
  idValues,
  type MovedCopies,
  type MovedCopy,
} from '../store/moved-copies.ts';
import { searchBusy } from './search-errors.ts';

/** Answers that come close together share a view. Well below HOLD_SETTLE_MS, of which the rest is left for the answer. */
export const MAX_VIEW_AGE_MS = 500;
/** The engine then looks at tuples only in the rows that a number let through: five times as quick. */
const HIDING_SETTINGS: EngineSettings = {
  short_circuit_function_evaluation: 'force_enable',
};
/** How often an answer is made again before its reader is asked for patience. */
export const MAX_ATTEMPTS = 5;
/** Blocks move only for as long as a server was just lost. */
const MOVING_RETRY_MS = 5_000;

export interface HiddenCopies {
  /**
   * Makes an answer. `work` gets a scope without the second copies, for each of its statements; it may be called several
   * times, and only the last outcome counts.
   *
   * @throws SluiceError `busy` when blocks move faster than the answer can be made; what `work` throws
   */
  answer<T>(work: (shown: Scope) => Promise<T>): Promise<T>;
}

/** For a store that only one server writes into. */
export const NOTHING_HIDDEN: HiddenCopies = { answer: (work) => work(WHOLE_TABLE) };

interface View {
  /** Before it was read, by a clock that only goes forward. */
  readonly startedMs: number;
  readonly keys: ReadonlySet<string>;
  readonly scope: Scope;
}

export function createHiddenCopies(moved: Pick<MovedCopies, 'read'>): HiddenCopies {
  let latest: Promise<View> | undefined;
  let latestStartedMs = Number.NEGATIVE_INFINITY;

  const readView = (): Promise<View> => {
    const startedMs = performance.now();
    const view = moved.read().then((rows) => ({
      startedMs,
      keys: new Set(rows.map(copyKey)),
      scope: shownOf(rows),
    }));
    latest = view;
    latestStartedMs = startedMs;
    // The next search reads again; this one rejects.
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
        const answer = await work(view.scope);
        if (performance.now() - view.startedMs < HOLD_SETTLE_MS) return answer;
        const { keys } = view;
        view = await readView();
        if (view.keys.isSubsetOf(keys)) return answer;
      }
      throw searchBusy(MOVING_RETRY_MS, 'busy moving logs between servers, faster than they can be searched');
    },
  };
}

/** @returns the scope without what is not to be shown */
export function shownOf(rows: readonly MovedCopy[]): Scope {
  const kept = new Map<string, Copy>();
  for (const row of rows) {
    if (row.state !== 'kept') continue;
    const key = blockKey(row.id);
    const other = kept.get(key);
    if (other === undefined || row.serverId < other.serverId) kept.set(key, row);
  }
  const held = rows.filter((row) => row.state === 'held' && !kept.has(blockKey(row.id)));
  const hidden: Condition[] = [];
  if (kept.size > 0) {
    const shown = [...kept.values()];
    const isOfBlocks = Condition.isIn(
      ID_COLUMNS,
      shown.map(({ id }) => idValues(id)),
    );
    const isOther = Condition.isNotIn(COPY_COLUMNS, shown.map(copyValues));
    hidden.push(Condition.all([isOfSequences(shown), isOfBlocks, isOther]));
  }
  if (held.length > 0)
    hidden.push(Condition.all([isOfSequences(held), Condition.isIn(COPY_COLUMNS, held.map(copyValues))]));
  if (hidden.length === 0) return WHOLE_TABLE;
  return { condition: Condition.not(Condition.any(hidden)), settings: HIDING_SETTINGS };
}

const COPY_COLUMNS: readonly string[] = [...ID_COLUMNS, 'ServerId'];

/** Numbers are compared quickly, and rule out nearly every row: with HIDING_SETTINGS no tuple is put together for it. */
function isOfSequences(copies: readonly Copy[]): Condition {
  return Condition.isIn(
    ['BlockSequence'],
    [...new Set(copies.map(({ id }) => id.sequence))].map((sequence) => [sequence]),
  );
}

function copyValues({ id, serverId }: Copy): readonly Value[] {
  return [...idValues(id), serverId];
}
