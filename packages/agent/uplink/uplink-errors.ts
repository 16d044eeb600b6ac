/** What servers answer when something is wrong, in our words. */
import { Code, ConnectError } from '@connectrpc/connect';
import { SluiceError } from '@sluice/base/error';
import { readText } from '@sluice/wire/convert/fields';

/** Answers by which a server says that it will not take this channel, however often it is tried. */
export function isTypedRefusal(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    (error.code === Code.InvalidArgument ||
      error.code === Code.FailedPrecondition ||
      error.code === Code.ResourceExhausted ||
      error.code === Code.Unauthenticated)
  );
}

/** What to log of an error of a stream. */
export function streamErrorText(error: unknown): string {
  return readText(error instanceof ConnectError ? error.rawMessage : SluiceError.from(error).message);
}

/** Why a connection ended, or could not be made, in our words. */
export function connectionError(thrown: unknown, address: string): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  if (!(thrown instanceof ConnectError)) return SluiceError.from(thrown, 'not_reachable');
  if (thrown.cause instanceof SluiceError) return thrown.cause;
  const message = `${address}: ${thrown.rawMessage}`;
  switch (thrown.code) {
    case Code.FailedPrecondition:
      return new SluiceError('protocol_mismatch', message, {
        cause: thrown,
        hint: 'Run an agent and a server of the same major version.',
      });
    case Code.Unauthenticated:
      return new SluiceError('unauthorized', message, {
        cause: thrown,
        hint: "Give the agent the server's token.",
      });
    // One of both breaks the protocol: trying again soon does not help.
    case Code.InvalidArgument:
      return new SluiceError('protocol_violation', message, { cause: thrown });
    case Code.ResourceExhausted:
      return new SluiceError('limit_exceeded', message, { cause: thrown });
    default:
      return new SluiceError('not_reachable', message, { cause: thrown });
  }
}
