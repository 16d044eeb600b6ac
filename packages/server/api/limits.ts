/** Bounds of the API: what one HTTP request may ask of the server. */

/** Largest request body: a query of the longest kind is a hundredth of it. */
export const MAX_REQUEST_BYTES: number = 1024 * 1024;
/** How long running requests may take to end when the server stops. */
export const STOP_GRACE_MS = 5_000;
/** A client that sends its request slower than this is cut off. */
export const REQUEST_RECEIVE_TIMEOUT_MS = 30_000;
/** Largest deadline that a client can ask for; searches have their own, shorter one. */
export const MAX_REQUEST_TIMEOUT_MS = 120_000;
/** How long a client that has its answer may go on sending its request. */
export const HANG_UP_AFTER_MS = 1_000;
