/** Troubles of the store: whether it can be reached and used. */
import type { StoreFacts } from './health-facts.ts';
import type { Finding } from './problem.ts';

/** There is one store. */
export const STORE_NAME = 'store';

/** @returns what is wrong with the store itself */
export function storeTroubles(store: StoreFacts): Finding[] {
  const { tablesLost } = store;
  const subject = { kind: 'store', name: STORE_NAME } as const;
  if (tablesLost !== undefined)
    return [{ code: 'store_table_missing', subject, values: { reason: sentence(tablesLost) } }];
  // Not asked yet: the server has just started.
  if (store.available || store.errorCode === undefined) return [];
  const code = store.errorCode === 'state_newer' ? 'store_schema_newer' : 'store_away';
  return [{ code, subject, values: { reason: sentence(store.error) } }];
}

/** @returns the text with a full stop at its end */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
