/**
 * What `sluice sim` does: one seed with its trace, or many on all cores.
 *
 * Invariants: the exit code is 0 only when every seed passed; a seed that failed is printed with the command that replays
 * it.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { drawOptions } from './options.ts';
import { runOptions } from './run-seed.ts';
import type { WorkerAnswer } from './seed-worker.ts';
import { shrink } from './shrink.ts';
import type { Outcome } from './simulation.ts';

/** Seeds handed to a worker at once: some hundred ms of work. */
const SEEDS_PER_TASK = 25;
/** Lines of the trace that a failure shows. */
const SHOWN_LINES = 60;
/** Failures printed in full; the others are counted. */
const SHOWN_FAILURES = 10;
const PROGRESS_INTERVAL_MS = 2_000;

/** What was asked for. */
export interface SimRequest {
  /** The seed, or the first of many. */
  readonly seed: number;
  /** How many seeds; undefined for one with a report. */
  readonly seeds: number | undefined;
  /** Ends the phase of faults after so many events. */
  readonly steps: number | undefined;
  /** Print the whole trace. */
  readonly trace: boolean;
}

/** Runs what was asked for and prints the results. Returns the exit code. */
export async function runSimulation(request: SimRequest): Promise<number> {
  return request.seeds === undefined ? runOne(request) : await runMany(request.seed, request.seeds);
}

function runOne({ seed, steps, trace: isTraced }: SimRequest): number {
  const drawn = drawOptions(seed);
  const options = steps === undefined ? drawn : { ...drawn, maxSteps: steps };
  const { outcome } = runOptions(options, undefined, isTraced ? say : undefined);
  if (outcome.failure === undefined) {
    say(`${describe(outcome)} ok`);
    say(`hash ${outcome.hash}`);
    return 0;
  }
  say(`${describe(outcome)} FAILED`);
  say(`${outcome.failure.checker}: ${outcome.failure.message}`);
  say(`hash ${outcome.hash}`);
  const smaller = shrink(options, outcome.failure.checker);
  say(`smallest world found that fails alike: ${JSON.stringify(smaller, undefined, 2)}`);
  const shown = runOptions(smaller);
  for (const line of shown.trace.latest(SHOWN_LINES)) say(line);
  say(`${describe(shown.outcome)} ${shown.outcome.failure?.checker}: ${shown.outcome.failure?.message}`);
  return 1;
}

async function runMany(first: number, count: number): Promise<number> {
  const startMs = performance.now();
  const failures: { readonly seed: number; readonly checker: string; readonly message: string }[] = [];
  let done = 0;
  let events = 0;
  let blocks = 0;
  let nextSeed = first;
  let toldMs = startMs;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url));
    try {
      while (nextSeed < first + count) {
        const from = nextSeed;
        const to = Math.min(first + count, from + SEEDS_PER_TASK);
        nextSeed = to;
        const answer = await ask(worker, { from, to });
        done += to - from;
        events += answer.events;
        blocks += answer.blocks;
        failures.push(...answer.failures);
        if (performance.now() - toldMs < PROGRESS_INTERVAL_MS) continue;
        toldMs = performance.now();
        process.stderr.write(`${done} of ${count} seeds, ${failures.length} failed\n`);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), count) }, work));
  failures.sort((a, b) => a.seed - b.seed);
  for (const { seed, checker, message } of failures.slice(0, SHOWN_FAILURES)) {
    say(`seed ${seed} FAILED, ${checker}: ${message.split('\n')[0]}`);
    say(`  sluice sim --seed ${seed}`);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  say(
    `${count} seeds from ${first}, ${failures.length} failed, ${events} events, ${blocks} blocks, ${seconds} s`,
  );
  return failures.length === 0 ? 0 : 1;
}

async function ask(worker: Worker, task: { from: number; to: number }): Promise<WorkerAnswer> {
  worker.postMessage(task);
  const [answer] = (await once(worker, 'message')) as [WorkerAnswer];
  return answer;
}

function describe({ seed, events, blocks, endMs }: Outcome): string {
  return `seed ${seed}: ${events} events, ${blocks} blocks, ${(endMs / 1000).toFixed(1)} s of virtual time:`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
