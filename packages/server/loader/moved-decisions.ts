/**
 * What to do about moved blocks, from what is known of them. Pure.
 *
 * Invariants, on which "visible exactly once" rests (U14, SPEC.md):
 * - A copy is only deleted when another copy is kept, shown and seen in the store as a whole, and when it is not `held`:
 *   so a copy that is or becomes the shown one is never deleted.
 * - `copies` were looked for before `rows` were read. A copy that its server may still choose to show is `held` from before
 *   it exists, so it cannot be taken for one that nobody hides.
 */
import { blockKey } from '@sluice/protocol/model';
import type { Copy, MovedCopy } from '../store/moved-copies.ts';

/**
 * A copy that is in the store and still held after so long: its server died before it showed it. Others do it then; much
 * longer than the server itself needs.
 */
const HELP_AFTER_MS = 60_000;
/** Second copies stay for this long after the first was kept: a search that still shows the second one has ended by then. */
const DELETE_AFTER_MS = 45_000;
/**
 * For so long a second copy that comes late is hidden and deleted. A server that inserts a block that it has had for half of
 * this asks the store first.
 */
export const SETTLE_AFTER_MS = 3_600_000;

export interface Decisions {
  readonly keep: readonly MovedCopy[];
  readonly remove: readonly Copy[];
  readonly settle: readonly MovedCopy[];
}

export interface DecisionTimes {
  readonly helpAfterMs: number;
  readonly deleteAfterMs: number;
  readonly settleAfterMs: number;
}

export const DECISION_TIMES: DecisionTimes = {
  helpAfterMs: HELP_AFTER_MS,
  deleteAfterMs: DELETE_AFTER_MS,
  settleAfterMs: SETTLE_AFTER_MS,
};

/**
 * @param copies by block key: the servers whose complete copies were in the store, looked for before `rows` were read
 * @param rows all that are not settled
 */
export function decide(
  copies: ReadonlyMap<string, readonly string[]>,
  rows: readonly MovedCopy[],
  times: DecisionTimes = DECISION_TIMES,
): Decisions {
  const keep: MovedCopy[] = [];
  const remove: Copy[] = [];
  const settle: MovedCopy[] = [];
  for (const ofBlock of byBlock(rows)) {
    const [first] = ofBlock;
    const servers = first === undefined ? undefined : copies.get(blockKey(first.id));
    // Not looked for, or dropped with its day.
    if (first === undefined || servers === undefined) continue;
    const held = ofBlock.filter(({ state }) => state === 'held');
    const kept = ofBlock.filter(({ state }) => state === 'kept');
    keep.push(...held.filter((row) => servers.includes(row.serverId) && row.ageMs >= times.helpAfterMs));
    const shown = shownOf(kept);
    if (shown === undefined || !servers.includes(shown)) continue;
    const second = servers.filter(
      (server) => server !== shown && !held.some((row) => row.serverId === server),
    );
    const ageMs = Math.min(...ofBlock.map((row) => row.ageMs));
    if (ageMs >= times.deleteAfterMs) remove.push(...second.map((serverId) => ({ id: first.id, serverId })));
    if (ageMs >= times.settleAfterMs && held.length === 0 && second.length === 0) settle.push(...ofBlock);
  }
  return { keep, remove, settle };
}

/** The server whose copy is shown, of those that are kept. */
function shownOf(kept: readonly { readonly serverId: string }[]): string | undefined {
  return kept.map(({ serverId }) => serverId).toSorted()[0];
}

function byBlock(rows: readonly MovedCopy[]): Iterable<readonly MovedCopy[]> {
  const blocks = new Map<string, MovedCopy[]>();
  for (const row of rows) {
    const key = blockKey(row.id);
    const ofBlock = blocks.get(key);
    if (ofBlock === undefined) blocks.set(key, [row]);
    else ofBlock.push(row);
  }
  return blocks.values();
}
