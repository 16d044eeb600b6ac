/** Why a request failed, as the page tells people apart what they can do: fix the query, wait, or call someone. */
import { Code, ConnectError } from '@connectrpc/connect';

export type Failure =
  /** The query is wrong; `position` is the offset of the character in it, when the server says so. */
  | { readonly kind: 'query'; readonly message: string; readonly position: number | undefined }
  /** Nothing answers at the other end. */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** The server answers, the store behind it does not. */
  | { readonly kind: 'store'; readonly message: string }
  /** The server wants a token, or does not take the one that was shown. */
  | { readonly kind: 'unauthorized'; readonly message: string }
  | { readonly kind: 'timeout'; readonly message: string }
  /** Other searches come first; there will be room in so many seconds. */
  | { readonly kind: 'busy'; readonly message: string; readonly retryAfterSeconds: number }
  | { readonly kind: 'other'; readonly message: string };

/** Metadata that a refused query carries: the offset of the offending character, in UTF-16 units from 0. */
const ERROR_POSITION_METADATA = 'sluice-error-position';

/** Metadata: the server's own word for what went wrong. */
const ERROR_CODE_METADATA = 'sluice-error-code';
/** Metadata: in how many seconds a busy server wants to be asked again. */
const RETRY_AFTER_METADATA = 'retry-after';
/** When a busy server does not say. */
const DEFAULT_RETRY_SECONDS = 5;

/** Any thrown value as a {@link Failure}. */
export function toFailure(thrown: unknown): Failure {
  // The browser's own word for "no connection" is a TypeError from fetch, wherever it is wrapped.
  const cause = thrown instanceof ConnectError ? thrown.cause : thrown;
  if (cause instanceof TypeError) return { kind: 'unreachable', message: cause.message };
  const error = ConnectError.from(thrown);
  const message = error.rawMessage;
  if (error.metadata.get(ERROR_CODE_METADATA) === 'busy') {
    const retryAfterSeconds = readCount(error.metadata.get(RETRY_AFTER_METADATA)) ?? DEFAULT_RETRY_SECONDS;
    return { kind: 'busy', message, retryAfterSeconds };
  }
  switch (error.code) {
    case Code.InvalidArgument:
      return { kind: 'query', message, position: readCount(error.metadata.get(ERROR_POSITION_METADATA)) };
    case Code.Unavailable:
      // A proxy in front of a dead server answers in HTML, which Connect reports by the HTTP status.
      return { kind: message.startsWith('HTTP 5') ? 'unreachable' : 'store', message };
    case Code.Unauthenticated:
      return { kind: 'unauthorized', message };
    case Code.DeadlineExceeded:
      return { kind: 'timeout', message };
    default:
      return { kind: 'other', message };
  }
}

function readCount(text: string | null): number | undefined {
  if (text === null || !/^\d{1,9}$/.test(text)) return undefined;
  return Number(text);
}
