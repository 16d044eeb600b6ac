/** Every limit of the store process, with its reason. */

/** Engine memory in total: leaves room for servers and an agent on a machine with 4 GiB. */
export const DEFAULT_MEMORY_BYTES: number = 1_536 * 1024 * 1024;
/** Below this the engine cannot merge parts with a text index. */
export const MIN_MEMORY_BYTES: number = 256 * 1024 * 1024;
/** Share of the total that one query may take, so that one bad query cannot starve inserts. */
export const QUERY_MEMORY_SHARE = 0.6;
/** Share of the total after which grouping and sorting go to disk instead of failing. */
export const SPILL_MEMORY_SHARE = 0.25;
/** A query that runs longer is more likely a mistake than a wish; a request may set its own `max_execution_time`. */
export const DEFAULT_MAX_EXECUTION_SECONDS = 60;
/** Inserts may queue behind merges on a busy disk; failing them early only makes the sender send them again. */
export const DEFAULT_INSERT_EXECUTION_SECONDS = 300;
/** Queries of searches that run at once at most, light and heavy together, beside the others (search-share.ts). */
export const MAX_CONCURRENT_SEARCHES = 8;
/** Queries that run at once: on two cores more only make all of them slow. */
export const MAX_CONCURRENT_QUERIES = 8;
/** Inserts that run at once, counted apart from queries, so that a flood of questions never holds up the logs. */
export const MAX_CONCURRENT_INSERTS = 2;
/** Inserts of high priority (turn-claim.ts, 1 or 2) that run beside those: errors never wait for a flood. */
export const EXPRESS_INSERTS = 1;
/** Requests that wait for their turn, per kind; further ones get TOO_MANY_SIMULTANEOUS_QUERIES. */
export const MAX_WAITING_REQUESTS = 128;
/** A waiting request is told after this long that its turn does not come (the same as a proxy's usual patience). */
export const MAX_WAIT_MS = 60_000;
/**
 * Threads of libuv's pool: every running query holds one (a stream while it fetches), one kills, the others serve
 * files and compression.
 */
export const THREAD_POOL_SIZE: number =
  MAX_CONCURRENT_QUERIES + MAX_CONCURRENT_SEARCHES + MAX_CONCURRENT_INSERTS + EXPRESS_INSERTS + 6;
/** A query's text, or a query with inline data in one body; larger data belongs into an insert with its own body. */
export const MAX_QUERY_BYTES: number = 16 * 1024 * 1024;
/** URL and headers, which may carry a query and its parameters. */
export const MAX_HEADER_BYTES: number = 1024 * 1024;
/** An insert's body as it comes (compressed): goes to disk, so that memory does not bound it. */
export const MAX_INSERT_BODY_BYTES: number = 2 * 1024 * 1024 * 1024;
/** A request's body must keep coming; a sender that stalls longer gives its turn back. */
export const REQUEST_TIMEOUT_MS = 300_000;
/** How long a connection may lie idle: longer than a server takes between two looks at its store. */
export const KEEP_ALIVE_MS = 10_000;
/** How long running queries may take to end when the store stops, before they are killed in the engine. */
export const DRAIN_TIMEOUT_MS = 5_000;
/** How long killed queries may take to notice. A busy connection is never closed: the process ends with it open. */
export const KILL_TIMEOUT_MS = 10_000;

/**
 * Caches of the engine. Its defaults add up to more than 20 GiB; these to about 300 MiB, of which little is used
 * before there is data to search.
 */
export const CACHE_BYTES: Readonly<Record<string, number>> = {
  mark_cache_size: 64 * 1024 * 1024,
  index_mark_cache_size: 32 * 1024 * 1024,
  primary_index_cache_size: 32 * 1024 * 1024,
  text_index_tokens_cache_size: 64 * 1024 * 1024,
  text_index_header_cache_size: 32 * 1024 * 1024,
  text_index_postings_cache_size: 64 * 1024 * 1024,
  query_condition_cache_size: 16 * 1024 * 1024,
  vector_similarity_index_cache_size: 1024 * 1024,
  parquet_metadata_cache_size: 1024 * 1024,
  iceberg_metadata_files_cache_size: 1024 * 1024,
  compiled_expression_cache_size: 16 * 1024 * 1024,
};
