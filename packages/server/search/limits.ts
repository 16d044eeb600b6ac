/** Bounds of searching. A search is asked by people and programs that may ask for anything. */

/** Records of one page when the caller does not say. */
export const DEFAULT_PAGE_RECORDS = 100;
/** Records of one page at most: a page is held in memory at both ends. */
export const MAX_PAGE_RECORDS = 10_000;
/** Text of one page, about: a page ends early rather than pass it (but has one record at least). */
export const MAX_PAGE_BYTES: number = 16 * 1024 * 1024;
/** A search that takes longer is ended with a clear word; below the 60 s that the console waits. */
export const SEARCH_TIMEOUT_MS = 30_000;
/** Memory of the engine for one query, so that no search takes down the store. */
export const MAX_QUERY_MEMORY_BYTES: number = 1024 * 1024 * 1024;
/** Text of one query: while very many blocks are on the move, the condition that hides their second copies is long. */
export const MAX_QUERY_BYTES: number = 16 * 1024 * 1024;
/** The first window that is looked at, from the newest record backwards. */
export const FIRST_WINDOW_NANOS: bigint = 15n * 60n * 1_000_000_000n;
/** Each window is this many times as long as the one before: 20 years take ten of them. */
export const WINDOW_GROWTH = 4n;
/** Buckets of a histogram when the caller does not say. */
export const DEFAULT_BUCKETS = 60;
/** Buckets of a histogram at most: more than a screen can show. */
export const MAX_BUCKETS = 500;
