/**
 * The share of searches in the store: queries that say that they belong to a search have turns of their own, so that they
 * hold up neither what servers need for loading nor each other, the light not behind the heavy. Each server bounds its
 * own searches; here the searches of all servers of this machine meet.
 */
import { availableParallelism } from 'node:os';
import { MAX_CONCURRENT_SEARCHES, MAX_WAIT_MS } from './limits.ts';
import type { SearchClaim } from './turn-claim.ts';
import { Turns } from './turns.ts';

/** Light queries that run at once, of all servers together: a light one takes a fraction of a second. */
const MAX_CONCURRENT_LIGHT = 4;
/** Heavy queries that run at once at most, however many cores: disk and memory are shared too. */
const MAX_CONCURRENT_HEAVY: number = MAX_CONCURRENT_SEARCHES - MAX_CONCURRENT_LIGHT;
/** Queries of searches that wait, of each weight: servers ask for no more than their own turns, a few each. */
const MAX_WAITING_SEARCHES = 64;

/**
 * Heavy searches have half the cores, so that intake, which has the other half when it wants it, keeps two thirds of its
 * rate or more; few at once with several threads each, rather than many that all take long.
 */
export function heavyShareOf(cores: number): { readonly turns: number; readonly threads: number } {
  const turns = Math.min(MAX_CONCURRENT_HEAVY, Math.max(1, Math.floor(cores / 4)));
  return { turns, threads: Math.max(1, Math.floor(cores / 2 / turns)) };
}

/**
 * The engine's own order among those that run: a heavy query stands still while a light one works, for so long at most
 * before each piece of its data, so that a flood of light ones slows it and does not stop it. Inserts take no part.
 */
const MAX_STANDSTILL_MS = 50;
export const ENGINE_ORDER: Readonly<Record<SearchClaim['weight'], ReadonlyMap<string, string>>> = {
  light: new Map([['priority', '1']]),
  heavy: new Map([
    ['priority', '2'],
    ['low_priority_query_wait_time_ms', String(MAX_STANDSTILL_MS)],
  ]),
};

export class SearchShare {
  readonly #turns: Readonly<Record<SearchClaim['weight'], Turns>>;

  constructor(cores: number = availableParallelism()) {
    const bounds = { maxWaiting: MAX_WAITING_SEARCHES, maxWaitMs: MAX_WAIT_MS };
    this.#turns = {
      light: new Turns({ limit: MAX_CONCURRENT_LIGHT, ...bounds }),
      heavy: new Turns({ limit: heavyShareOf(cores).turns, ...bounds }),
    };
  }

  /** Waits for a turn. @returns a function that gives it back. @throws EngineError 202 or 394, as Turns.take() does */
  async take(claim: SearchClaim, signal: AbortSignal): Promise<() => void> {
    return await this.#turns[claim.weight].take(signal, 0, claim.waitMs);
  }
}
