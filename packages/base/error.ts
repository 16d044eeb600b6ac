/**
 * The one error class of Sluice. A code is a stable word for programs; the message says what was wrong and where, the
 * hint says what to do. Codes are never reused for another meaning.
 */
export const ERROR_CODES = [
  'usage', // wrong option or argument
  'config_unreadable', // a configuration file that cannot be read
  'config_invalid', // a configuration file that can be read and says something wrong
  'address_in_use',
  'not_reachable', // a peer or store does not answer
  'unauthorized',
  'protocol_mismatch', // a peer speaks another major version
  'protocol_violation', // a peer broke a rule of SPEC.md
  'limit_exceeded', // a named limit was passed
  'block_malformed',
  'query_invalid',
  'busy', // has too much to do now; the same request may be answered later
  'timeout', // took longer than it may
  'cancelled', // whoever asked does not want it any more
  'stopping', // the program or a part of it is being stopped
  'store_failed', // the store answered with an error
  'insert_refused', // the store says no to an insert, and that may be the data's fault or its own
  'disk_full',
  'state_corrupt', // our own durable state cannot be read
  'state_newer', // durable state written by a newer program
  'already_running', // another process holds the data directory
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error says besides its code and message. */
export interface ErrorDetails {
  readonly cause?: unknown;
  /** What the reader can do about it; one sentence. */
  readonly hint?: string;
  /** Where in the text that was given: an offset in UTF-16 units, from 0 to its length. */
  readonly position?: number;
  /** When the same may work: whole seconds from now, 1 or more. */
  readonly retryAfterSeconds?: number;
}

export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly position: number | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.hint = details.hint;
    this.position = details.position;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Whether a thrown value is an error of this code. */
  static is(value: unknown, code: ErrorCode): value is SluiceError {
    return value instanceof SluiceError && value.code === code;
  }

  /** An error whose code came as text from another process; an unknown code becomes `internal`. */
  static withCode(code: string, message: string, details: ErrorDetails = {}): SluiceError {
    return new SluiceError(ERROR_CODES.find((known) => known === code) ?? 'internal', message, details);
  }

  /** Any thrown value as a SluiceError; one that already is passes through unchanged. */
  static from(value: unknown, code: ErrorCode = 'internal'): SluiceError {
    if (value instanceof SluiceError) return value;
    if (value instanceof Error) return new SluiceError(code, value.message, { cause: value });
    return new SluiceError(code, String(value), { cause: value });
  }
}

/** The words of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
