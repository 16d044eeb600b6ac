/**
 * What a request says of the turn that it wants, in the header `X-Sluice-Turn`. A header, not a setting and nothing in the
 * statement: a ClickHouse of one's own takes no notice of it, and settings that it does not know are errors there.
 *
 *   search light 1500   a query of a search that is expected to be short; it waits for its turn 1500 ms at most
 *   search heavy 6000
 *   insert 1            an insert of this priority among those that wait, 1 being the highest
 */
import { EngineError, EXCEPTION_CODES } from './engine-error.ts';
import { MAX_WAIT_MS } from './limits.ts';

/** A query of a search. */
export interface SearchClaim {
  readonly kind: 'search';
  readonly weight: 'light' | 'heavy';
  /** It waits no longer for its turn. */
  readonly waitMs: number;
}

/** An insert. */
export interface InsertClaim {
  readonly kind: 'insert';
  /** Among inserts that wait; 1 is the highest. */
  readonly priority: number;
}

export type TurnClaim = SearchClaim | InsertClaim;

export const TURN_HEADER = 'x-sluice-turn';
/** Longer than any claim. */
const MAX_SHOWN_LENGTH = 64;

/** @returns the header's text; times are rounded up to whole ms, and a time that is over is none */
export function writeTurnClaim(claim: TurnClaim): string {
  return claim.kind === 'search'
    ? `search ${claim.weight} ${Math.max(0, Math.ceil(claim.waitMs))}`
    : `insert ${claim.priority}`;
}

/**
 * @param text of the header
 * @returns undefined for a request without it
 * @throws EngineError 36 for any other text than those above
 */
export function readTurnClaim(text: string | undefined): TurnClaim | undefined {
  if (text === undefined) return undefined;
  const [, weight, waitMs] = /^search (light|heavy) (\d{1,9})$/.exec(text) ?? [];
  if (weight === 'light' || weight === 'heavy')
    return { kind: 'search', weight, waitMs: Math.min(Number(waitMs), MAX_WAIT_MS) };
  const [, priority] = /^insert ([1-9]\d{0,6})$/.exec(text) ?? [];
  if (priority !== undefined) return { kind: 'insert', priority: Number(priority) };
  throw new EngineError(
    EXCEPTION_CODES.badArguments,
    `${TURN_HEADER} says '${text.slice(0, MAX_SHOWN_LENGTH)}': expected 'search light|heavy MILLISECONDS' or 'insert PRIORITY'. (BAD_ARGUMENTS)`,
  );
}
