/** What to do about a defect after which the state in memory cannot be trusted. */

/** What is needed of a logger. */
interface FatalLog {
  fatal(details: { readonly err: unknown }, message: string): void;
}

/**
 * Says what failed and ends the process with an uncaught error, also when the caller is in the hands of somebody who
 * catches errors (a stream, a timer, a promise). A supervisor starts it again, and it goes on from what is durable: going on
 * with half a step taken could send what was not granted, or forget what was not acknowledged.
 *
 * @param what failed, for the log
 */
export function failFast(logger: FatalLog, error: unknown, what: string): void {
  logger.fatal(
    { err: error },
    `${what} failed; the process ends, and the next start goes on from what is durable`,
  );
  setImmediate(() => {
    throw error;
  });
}
