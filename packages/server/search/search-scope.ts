/** What a search may see and take, by who asks. */
import type { Principal } from '@sluice/protocol/principal';
import { Condition } from '@sluice/query/condition';
import type { EngineSettings, Scope } from '../store/log-table.ts';
import { MAX_QUERY_BYTES, MAX_QUERY_MEMORY_BYTES } from './limits.ts';

/** Finds the scope of a principal. */
export type ScopeOf = (principal: Principal) => Scope;

/** Settings of every statement of every search. The embedded store enforces read-only by itself as well. */
const SEARCH_SETTINGS: EngineSettings = {
  readonly: '1',
  max_memory_usage: String(MAX_QUERY_MEMORY_BYTES),
  max_query_size: String(MAX_QUERY_BYTES),
};

/** A new kind of principal sees nothing until somebody has said here what it may see. */
export function scopeOf(principal: Principal): Scope {
  return { condition: visibleTo(principal), settings: SEARCH_SETTINGS };
}

function visibleTo({ kind }: Principal): Condition {
  switch (kind) {
    // All records are of the one tenant that there is, so that nothing has to be compared.
    case 'anonymous':
    case 'token':
      return Condition.everything;
    case 'agent':
    case 'store_client':
      return Condition.nothing;
    default:
      return kind satisfies never;
  }
}
