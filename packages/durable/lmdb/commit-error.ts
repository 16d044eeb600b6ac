/**
 * Why a transaction of LMDB failed. The library rejects with a general error that carries a promise of the particular one; a
 * promise that nobody handles ends the process.
 */

/** The reason of a failed commit, or the error itself when it is of another kind. To be called with each error of a commit. */
export async function commitErrorOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}
