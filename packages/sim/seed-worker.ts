/** A thread that runs ranges of seeds and answers with what failed. */
import { parentPort } from 'node:worker_threads';
import { judgeSeed } from './run-seed.ts';

export interface WorkerAnswer {
  readonly events: number;
  readonly blocks: number;
  readonly failures: readonly { readonly seed: number; readonly checker: string; readonly message: string }[];
}

parentPort?.on('message', ({ from, to }: { readonly from: number; readonly to: number }) => {
  const failures: WorkerAnswer['failures'][number][] = [];
  let events = 0;
  let blocks = 0;
  for (let seed = from; seed < to; seed += 1) {
    const outcome = judgeSeed(seed);
    events += outcome.events;
    blocks += outcome.blocks;
    const { failure } = outcome;
    if (failure !== undefined) failures.push({ seed, checker: failure.checker, message: failure.message });
  }
  parentPort?.postMessage({ events, blocks, failures } satisfies WorkerAnswer);
});
