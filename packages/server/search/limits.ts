/** Bounds of searching. A search is asked by people and programs that may ask for anything. */
import { availableParallelism } from 'node:os';
import { heavyShareOf } from '@sluice/store/search-share';
import type { SearchTurnsLimits } from './search-turns.ts';

/** Records of one page when the caller does not say. */
export const DEFAULT_PAGE_RECORDS = 100;
/** Records of one page at most: a page is held in memory at both ends. */
export const MAX_PAGE_RECORDS = 10_000;
/** Text of one page, about: a page ends early rather than pass it (but has one record at least). */
export const MAX_PAGE_BYTES: number = 16 * 1024 * 1024;
/**
 * A search that takes longer is ended with a clear word: all of its requests together, from the beginning of its turn. With
 * the longest wait for the turn still below the 60 s that the console waits.
 */
const SEARCH_TIMEOUT_MS = 30_000;
/** Memory of the engine for one query, so that no search takes down the store. */
export const MAX_QUERY_MEMORY_BYTES: number = 1024 * 1024 * 1024;
/** Text of one query: while very many blocks are on the move, the condition that hides their second copies is long. */
export const MAX_QUERY_BYTES: number = 16 * 1024 * 1024;
/** A statement that is longer is not shown with a page's answer: nobody reads it, and an answer is bounded. */
export const MAX_STATEMENT_LENGTH: number = 32 * 1024;
/** The first window that is looked at, from the newest record backwards. */
export const FIRST_WINDOW_NANOS: bigint = 15n * 60n * 1_000_000_000n;
/** Each window is this many times as long as the one before: 20 years take ten of them. */
export const WINDOW_GROWTH = 4n;
/** Buckets of a histogram when the caller does not say. */
export const DEFAULT_BUCKETS = 60;
/** Buckets of a histogram at most: more than a screen can show. */
export const MAX_BUCKETS = 500;

/**
 * A search that is expected to take no longer than this is a light one: short enough that those who wait for one another
 * still feel that the answer comes at once.
 */
export const LIGHT_MS = 300;
/**
 * A light turn that was given on a guess is over after this long. On two cores with 15 that wanted them a light count took
 * 1.5 s: to end it then, and begin again, made 3 s of it.
 */
const LIGHT_BUDGET_MS = 2_500;
/** One that the engine's estimate says is enough: on a machine that is busy otherwise all takes ten times as long. */
const LIGHT_TIMEOUT_MS = 5_000;
/** Light searches that run at once: two cores serve two, and one that was guessed wrong does not hold up the next. */
const LIGHT_TURNS = 2;
/** Light searches that wait: more than can begin in MAX_WAIT_MS when each takes LIGHT_MS are waiting for nothing. */
const MAX_WAITING_LIGHT: number = 128;
/** Heavy searches that wait. Each takes LIGHT_MS or more, so one turn begins about twenty in MAX_WAIT_MS. */
const MAX_WAITING_HEAVY = 20;
/** Estimates at once, of what looks light and of what looks heavy each: reading indexes takes some milliseconds. */
const ESTIMATE_TURNS = 1;
/** Searches that look heavy and wait for their estimate: few, because most of a crowd has to come again whatever its estimate says. */
const MAX_ESTIMATING_HEAVY = 4;
/** An estimate that takes longer is not worth its time. */
export const ESTIMATE_TIMEOUT_MS = 1_000;
/**
 * Nobody is put off for longer than 10 s without a word. The rest is for the word's way: on two cores with 30 that wanted
 * them it took up to 3 s.
 */
const MAX_WAIT_MS = 6_000;
/** When the store itself has no turn for a search, other servers use it: half of the longest wait is worth a new try. */
export const STORE_BUSY_RETRY_MS = 5_000;
/** A search that has its turn at its server may always wait this long for the store, or the turn was for nothing. */
export const MIN_PATIENCE_MS = 1_000;
/** Page, histogram and count of a screen are three; a later page of the same search may come meanwhile. */
const MAX_REQUESTS_OF_SEARCH = 8;
/** A search id that a client draws: a UUID has 36 characters. */
export const MAX_SEARCH_ID_LENGTH = 64;

/** @returns the bounds of one server's searches, on a machine with `cores` cores */
export function searchTurnsLimits(cores: number = availableParallelism()): SearchTurnsLimits {
  return {
    lightTurns: LIGHT_TURNS,
    heavyTurns: heavyShareOf(cores).turns,
    maxWaitingLight: MAX_WAITING_LIGHT,
    maxWaitingHeavy: MAX_WAITING_HEAVY,
    estimateTurns: ESTIMATE_TURNS,
    // As many as may wait for the turn after it.
    maxEstimatingLight: MAX_WAITING_LIGHT,
    maxEstimatingHeavy: MAX_ESTIMATING_HEAVY,
    maxWaitMs: MAX_WAIT_MS,
    lightBudgetMs: LIGHT_BUDGET_MS,
    lightTimeoutMs: LIGHT_TIMEOUT_MS,
    timeoutMs: SEARCH_TIMEOUT_MS,
    maxRequestsOfSearch: MAX_REQUESTS_OF_SEARCH,
  };
}
