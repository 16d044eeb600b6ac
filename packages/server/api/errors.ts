/** Errors of the server as Connect errors: the code for programs, the place of a mistake in metadata. */
import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, SluiceError } from '@sluice/base/error';
import { QueryError } from '@sluice/query/query-error';
import { SearchBusy, SearchCancelled, SearchTimeout } from '../search/search-errors.ts';

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
};

export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = SluiceError.from(thrown);
  const metadata = new Headers({ [ERROR_CODE_METADATA]: error.code });
  if (error instanceof QueryError) metadata.set(ERROR_POSITION_METADATA, String(error.position));
  if (error instanceof SearchBusy) metadata.set(RETRY_AFTER_METADATA, String(error.retryAfterSeconds));
  const hint = error.hint === undefined || error instanceof QueryError ? '' : `. ${error.hint}`;
  return new ConnectError(`${error.message}${hint}`, connectCode(error), metadata, undefined, error);
}

function connectCode(error: SluiceError): Code {
  if (error instanceof SearchTimeout) return Code.DeadlineExceeded;
  if (error instanceof SearchCancelled) return Code.Canceled;
  return CONNECT_CODES[error.code] ?? Code.Internal;
}
