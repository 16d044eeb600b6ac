/**
 * The child's side of supervision: says `ready` or `failed` to the parent, and ends when asked by a signal or when the
 * parent is gone.
 */
import { SluiceError } from '@sluice/protocol/error';
import type { FailedMessage, ReadyMessage } from './child-supervisor.ts';

/** @returns true when a supervisor of this project started this process */
export function isSupervised(): boolean {
  return process.send !== undefined;
}

/** Tells the supervisor, when there is one, that this process is ready. */
export function tellReady(details: ReadyMessage['details']): void {
  process.send?.({ type: 'ready', details } satisfies ReadyMessage);
}

/** Tells the supervisor, when there is one, why this process cannot start; resolves when the message is sent. */
export function tellFailed(error: unknown): Promise<void> {
  const problem = SluiceError.from(error);
  const message: FailedMessage = {
    type: 'failed',
    code: problem.code,
    message: problem.message,
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
  };
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/**
 * @returns resolves with the reason when this process shall end: SIGINT, SIGTERM, SIGHUP, or the end of its parent
 */
export function endRequested(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => resolve(signal));
    if (isSupervised()) process.once('disconnect', () => resolve('the parent process is gone'));
  });
}
