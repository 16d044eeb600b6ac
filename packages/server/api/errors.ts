/** Errors of the server as Connect errors: the code for programs, the place of a mistake in metadata. */
import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, SluiceError } from '@sluice/base/error';

/** Offset of the mistake in the query, in UTF-16 units from 0. */
const ERROR_POSITION_METADATA = 'sluice-error-position';
/** The SluiceError's code. */
const ERROR_CODE_METADATA = 'sluice-error-code';
/** HTTP's own header, in whole seconds: when the same request may be answered. */
const RETRY_AFTER_METADATA = 'retry-after';

/** Codes that a caller can do something about; all others are internal. */
const CONNECT_CODES: Partial<Record<ErrorCode, Code>> = {
  query_invalid: Code.InvalidArgument,
  config_invalid: Code.FailedPrecondition,
  limit_exceeded: Code.ResourceExhausted,
  unauthorized: Code.Unauthenticated,
  not_reachable: Code.Unavailable,
  // HTTP 429, not 503: the server is well, and a proxy before it must not take it for dead.
  busy: Code.ResourceExhausted,
  timeout: Code.DeadlineExceeded,
  cancelled: Code.Canceled,
};

export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = SluiceError.from(thrown);
  const metadata = new Headers({ [ERROR_CODE_METADATA]: error.code });
  const { position, retryAfterSeconds } = error;
  if (position !== undefined) metadata.set(ERROR_POSITION_METADATA, String(position));
  if (retryAfterSeconds !== undefined) metadata.set(RETRY_AFTER_METADATA, String(retryAfterSeconds));
  // A mistake in a query is shown at its place, and its hint would be said for each.
  const hint = error.hint === undefined || error.code === 'query_invalid' ? '' : `. ${error.hint}`;
  const code = CONNECT_CODES[error.code] ?? Code.Internal;
  return new ConnectError(`${error.message}${hint}`, code, metadata, undefined, error);
}
