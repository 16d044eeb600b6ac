/**
 * `npm run sim:mutations [-- TEXT]`: breaks the state machines on purpose, one rule at a time, and lets the simulation find
 * it, on all cores. With a text: only those whose rule or name contains it.
 *
 * Invariant: the exit code is 0 only when each was caught, also by the regression seeds that are kept for it.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Mutation } from './mutation.ts';
import { MUTATIONS } from './mutation-list.ts';
import type { MutationResult } from './try-mutation.ts';
import { MAX_SEEDS } from './try-mutation.ts';

async function main(wanted: string): Promise<number> {
  const chosen = MUTATIONS.filter(({ name, rule }) => `${rule} ${name}`.includes(wanted));
  const startMs = performance.now();
  let missed = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./mutation-worker.ts', import.meta.url));
    try {
      for (let mutation = chosen[next++]; mutation !== undefined; mutation = chosen[next++]) {
        const { seed, checker, blindSeeds } = await ask(worker, mutation);
        if (seed === undefined || blindSeeds.length > 0) missed += 1;
        const caught = seed === undefined ? `NOT CAUGHT in ${MAX_SEEDS} seeds` : `seed ${seed} (${checker})`;
        const blind =
          blindSeeds.length === 0
            ? ''
            : `, NOT by its regression seed ${blindSeeds.join()}: look for another`;
        process.stdout.write(`${mutation.rule.padEnd(4)} ${mutation.name.padEnd(68)} ${caught}${blind}\n`);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), chosen.length) }, work));
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  process.stdout.write(`${chosen.length} rules broken, ${missed} not caught, ${seconds} s\n`);
  return missed === 0 && chosen.length > 0 ? 0 : 1;
}

async function ask(worker: Worker, mutation: Mutation): Promise<MutationResult> {
  worker.postMessage(mutation);
  // An error of the thread rejects.
  const [result] = (await once(worker, 'message')) as [MutationResult];
  return result;
}

const USAGE = `npm run sim:mutations [-- TEXT]
  Breaks one rule of the state machines at a time, and says which seed of the simulation notices.
  TEXT   only mutations whose rule or name contains it
`;
const wanted = process.argv[2] ?? '';
if (wanted === '--help' || wanted === '-h') process.stdout.write(USAGE);
else process.exitCode = await main(wanted);
