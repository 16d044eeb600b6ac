/** A thread that tries broken rules, one after the other. */
import { parentPort } from 'node:worker_threads';
import type { Mutation } from './mutation.ts';
import { tryMutation } from './try-mutation.ts';

parentPort?.on('message', (mutation: Mutation) => {
  void tryMutation(mutation).then(
    (result) => parentPort?.postMessage(result),
    (error: unknown) => {
      // Reaches the main thread as an error of this one.
      setImmediate(() => {
        throw error;
      });
    },
  );
});
