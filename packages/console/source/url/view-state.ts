/**
 * What the address says: every view is a link. Pure: text in, state out, and back.
 *
 * Invariants: defaults are left out of the address; an address that makes no sense gives the defaults, never an error.
 */
import { DEFAULT_RANGE, formatRange, parseRange, type TimeRange } from '../time/time-range.ts';

export type ViewName = 'logs' | 'flow';

export interface ViewState {
  readonly view: ViewName;
  readonly query: string;
  readonly range: TimeRange;
  /** Id of the record whose detail is open; empty when none is. */
  readonly record: string;
  /** Agent that the flow picture shows; empty for the first. */
  readonly agent: string;
  readonly live: boolean;
}

/** Longest query taken from an address: longer ones are refused by servers on the way anyway. */
const MAX_QUERY_CHARACTERS = 8192;

/** The state that a `location.search` describes. */
export function parseViewState(search: string): ViewState {
  const parameters = new URLSearchParams(search);
  return {
    view: parameters.get('view') === 'flow' ? 'flow' : 'logs',
    query: (parameters.get('q') ?? '').slice(0, MAX_QUERY_CHARACTERS),
    range: parseRange(parameters.get('range') ?? '') ?? DEFAULT_RANGE,
    record: parameters.get('record') ?? '',
    agent: parameters.get('agent') ?? '',
    live: parameters.get('live') === '1',
  };
}

/** The `location.search` of a state: `` or `?…`. */
export function formatViewState(state: ViewState): string {
  const parameters = new URLSearchParams();
  if (state.view !== 'logs') parameters.set('view', state.view);
  if (state.query !== '') parameters.set('q', state.query);
  const range = formatRange(state.range);
  if (range !== formatRange(DEFAULT_RANGE)) parameters.set('range', range);
  if (state.live) parameters.set('live', '1');
  if (state.record !== '') parameters.set('record', state.record);
  if (state.agent !== '') parameters.set('agent', state.agent);
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
