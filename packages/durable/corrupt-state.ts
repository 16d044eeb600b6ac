/** The error for durable state that cannot be read, with what a person can do about it. */
import { SluiceError } from '@sluice/base/error';

/** Whose state it is, in the words of its errors. */
export interface StateName {
  /** "the queue /var/lib/sluice/queue.mdb" */
  readonly what: string;
  /** Who saves what can be saved when it starts: "agent". */
  readonly program: string;
}

/** `state_corrupt`: WHAT cannot be read: REASON. */
export function corruptState({ what, program }: StateName, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('state_corrupt', `${what} cannot be read: ${reason}`, {
    cause,
    hint: `Restart the ${program}: it saves what can be read, says what was lost, and keeps the damaged file.`,
  });
}

/** `state_newer`: a newer program wrote it, in a format that this one does not know. */
export function newerState({ what }: StateName, format: number, known: number): SluiceError {
  return new SluiceError('state_newer', `${what} has format ${format}; this program knows ${known}`, {
    hint: 'Start the newer version of Sluice that wrote it, or give this one another data directory.',
  });
}
