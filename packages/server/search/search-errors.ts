/** Why a search was not answered, where neither the query nor the store is at fault. */
import { SluiceError } from '@sluice/base/error';

/** `timeout`: the search took too long. */
export function searchTimeout(cause?: unknown): SluiceError {
  return new SluiceError('timeout', 'the search took too long and was ended', {
    cause,
    hint: 'Narrow the time range, or search for whole words and field values, which an index answers.',
  });
}

/** `cancelled`: the caller went away before the answer. */
export function searchCancelled(cause?: unknown): SluiceError {
  return new SluiceError('cancelled', 'the search was cancelled by its caller', { cause });
}

/**
 * `busy`: other searches come first; this one was not begun, or not finished, and may be tried again.
 *
 * @param retryAfterMs when there will be room, as far as is known
 */
export function searchBusy(
  retryAfterMs: number,
  reason = 'busy with other searches',
  cause?: unknown,
): SluiceError {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return new SluiceError('busy', `${reason}, try again in ${retryAfterSeconds} s`, {
    cause,
    retryAfterSeconds,
    hint: 'A shorter time range, whole words and field values are answered sooner.',
  });
}
