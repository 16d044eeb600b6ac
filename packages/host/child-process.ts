/**
 * The child's side of supervision: says `ready` or `failed` to the parent, and ends when asked by a signal or when the
 * parent is gone.
 */
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import type { FailedMessage, ReadyMessage } from './child-supervisor.ts';

/** @returns true when a supervisor of this project started this process */
export function isSupervised(): boolean {
  return process.send !== undefined;
}

/** Tells the supervisor, when there is one, that this process is ready. */
export function tellReady(details: ReadyMessage['details']): void {
  // When nobody is there to be told, endRequested() says so.
  process.send?.({ type: 'ready', details } satisfies ReadyMessage, undefined, undefined, () => undefined);
}

/** Tells the supervisor, when there is one, why this process cannot start; resolves when the message is sent. */
export function tellFailed(error: unknown): Promise<void> {
  const problem = SluiceError.from(error);
  const message: FailedMessage = {
    type: 'failed',
    code: problem.code,
    message: problem.message,
    ...defined({ hint: problem.hint }),
  };
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/**
 * A terminal and a program that forwards signals (npm) may both send the same Ctrl-C. What comes again within this time
 * is the same wish; what comes later means "at once", and has the signal's default effect.
 */
const SAME_WISH_MS = 1_000;

/**
 * @returns resolves with the reason when this process shall end: SIGINT, SIGTERM, SIGHUP, or the end of its parent
 */
export function endRequested(): Promise<string> {
  return new Promise((resolve) => {
    const asked = (signal: NodeJS.Signals): void => {
      resolve(signal);
      const listenNoMore = (): void => {
        for (const each of END_SIGNALS) process.off(each, asked);
      };
      setTimeout(listenNoMore, SAME_WISH_MS).unref();
    };
    for (const signal of END_SIGNALS) process.on(signal, asked);
    if (!isSupervised()) return;
    const parentEnded = (): void => resolve('the parent process is gone');
    // The parent may have ended while this process started.
    if (process.connected) process.once('disconnect', parentEnded);
    else parentEnded();
  });
}
