/** Why a search was not answered, where neither the query nor the store is at fault. */
import { SluiceError } from '@sluice/base/error';

/** The search took too long. */
export class SearchTimeout extends SluiceError {
  constructor(cause?: unknown) {
    super('limit_exceeded', 'the search took too long and was ended', {
      cause,
      hint: 'Narrow the time range, or search for whole words and field values, which an index answers.',
    });
  }
}

/** The caller went away before the answer. */
export class SearchCancelled extends SluiceError {
  constructor(cause?: unknown) {
    super('internal', 'the search was cancelled by its caller', { cause });
  }
}

/** Other searches come first; this one was not begun, or not finished, and may be tried again. */
export class SearchBusy extends SluiceError {
  /** When there will be room, as far as is known: whole seconds from now, 1 or more. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterMs: number, reason = 'busy with other searches', cause?: unknown) {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    super('busy', `${reason}, try again in ${seconds} s`, {
      cause,
      hint: 'A shorter time range, whole words and field values are answered sooner.',
    });
    this.retryAfterSeconds = seconds;
  }
}
