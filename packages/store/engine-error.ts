/**
 * Errors as ClickHouse tells them over HTTP: a number, a text that begins with it, and an HTTP status that follows
 * from the number (the same table as in ClickHouse's HTTPHandler).
 */
import { messageOf } from '@sluice/base/error';

export const EXCEPTION_CODES = {
  badArguments: 36,
  syntaxError: 62,
  unknownSetting: 115,
  incorrectData: 117,
  timeoutExceeded: 159,
  readonly: 164,
  tooManySimultaneousQueries: 202,
  networkError: 210,
  notEnoughSpace: 243,
  aborted: 236,
  queryIsTooLarge: 307,
  queryWasCancelled: 394,
  accessDenied: 497,
  authenticationFailed: 516,
  notImplemented: 48,
  stdException: 1001,
} as const;

/** An error with a code of the engine, either told by the engine or raised by the store in its words. */
export class EngineError extends Error {
  readonly exceptionCode: number;

  /** @param message without the `Code: N. DB::Exception:` in front, which is added */
  constructor(exceptionCode: number, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.exceptionCode = exceptionCode;
  }

  /** The text that goes to the client. */
  get text(): string {
    return `Code: ${this.exceptionCode}. DB::Exception: ${this.message}`;
  }

  /** Any thrown value as an EngineError; the engine's own are recognized by their text, which always has the code. */
  static from(value: unknown): EngineError {
    if (value instanceof EngineError) return value;
    const message = messageOf(value);
    const match = /Code: (\d+)\. DB::\w*Exception: ([\s\S]*)/.exec(message);
    if (match?.[1] !== undefined && match[2] !== undefined)
      return new EngineError(Number(match[1]), match[2], { cause: value });
    return new EngineError(EXCEPTION_CODES.stdException, message, { cause: value });
  }
}

const UNAUTHORIZED = new Set([194]);
/** 164 (READONLY) is a 500 in ClickHouse; here it is the client's mistake, never the store's. */
const FORBIDDEN = new Set([164, 192, 193, 497, 516]);
const BAD_REQUEST = new Set([
  6, 26, 27, 33, 36, 38, 41, 42, 43, 44, 45, 53, 62, 63, 69, 70, 72, 117, 130, 131, 170, 321, 427, 441, 456,
  457, 467, 636, 640,
]);
const NOT_FOUND = new Set([16, 46, 47, 50, 52, 56, 60, 66, 73, 81, 115]);
const UNAVAILABLE = new Set([202, 209, 210, 236]);

/** @returns the HTTP status for an exception code */
export function statusOf(exceptionCode: number): number {
  if (UNAUTHORIZED.has(exceptionCode)) return 401;
  if (FORBIDDEN.has(exceptionCode)) return 403;
  if (BAD_REQUEST.has(exceptionCode)) return 400;
  if (NOT_FOUND.has(exceptionCode)) return 404;
  if (exceptionCode === EXCEPTION_CODES.queryIsTooLarge) return 413;
  if (exceptionCode === EXCEPTION_CODES.notImplemented) return 501;
  if (exceptionCode === EXCEPTION_CODES.timeoutExceeded) return 408;
  if (UNAVAILABLE.has(exceptionCode)) return 503;
  return 500;
}
