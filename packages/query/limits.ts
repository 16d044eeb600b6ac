/** Bounds of the search language. A query is untrusted text; these keep its parsing and its SQL small. */

/** UTF-16 units of one query: far above what people type, far below what a parser or the engine minds. */
export const MAX_QUERY_LENGTH = 8192;
/** Nested parentheses and negations: bounds the recursion of the parser and of the engine's own parser. */
export const MAX_QUERY_DEPTH = 64;
/** Conditions in one query: each costs the engine a pass over a column. */
export const MAX_QUERY_TERMS = 256;
