/**
 * One run of a search: the query and the range fixed at a moment. Everything on the page (list, histogram, pages that
 * load later) asks about the same moment, so that it agrees.
 */
import { useCallback, useMemo, useState } from 'react';
import { formatRange, type NanosRange, resolveRange, type TimeRange } from '../time/time-range.ts';

export interface Run {
  readonly query: string;
  readonly range: NanosRange;
  /** When the search was run: the present of a relative range. */
  readonly anchorMs: number;
  /** The server gives the list and the histogram of one run one turn, and one deadline. */
  readonly searchId: string;
}

/** The current run, and a function that runs the same search again now. */
export function useRun(query: string, range: TimeRange): readonly [Run, () => void] {
  const asked = `${formatRange(range)}\n${query}`;
  const [anchor, setAnchor] = useState(() => ({ asked, atMs: Date.now() }));
  // Another question is asked now, not when the page was opened.
  if (anchor.asked !== asked) setAnchor({ asked, atMs: Date.now() });
  const anchorMs = anchor.atMs;
  const run = useMemo(
    () => ({ query, range: resolveRange(range, anchorMs), anchorMs, searchId: drawSearchId() }),
    [query, range, anchorMs],
  );
  const runAgain = useCallback(() => setAnchor((current) => ({ ...current, atMs: Date.now() })), []);
  return [run, runAgain];
}

/** `randomUUID` is there on https and localhost only; the console may be read over plain http behind a proxy. */
function drawSearchId(): string {
  const numbers = window.crypto.getRandomValues(new Uint32Array(4));
  return [...numbers].map((number) => number.toString(36)).join('-');
}
