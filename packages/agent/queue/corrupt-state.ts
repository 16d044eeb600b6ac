/** The error for durable state of the queue that cannot be read. */
import { SluiceError } from '@sluice/base/error';

/** The error for durable state that cannot be read, with what a person can do about it. */
export function corruptState(where: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('state_corrupt', `the queue ${where} cannot be read: ${reason}`, {
    cause,
    hint: 'Restart the agent: it saves what can be read, says what was lost, and keeps the damaged file.',
  });
}
