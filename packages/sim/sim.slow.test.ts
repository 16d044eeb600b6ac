/** The production machines in simulated worlds: fixed seeds, seeds that found a fault once, and new ones. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { drawSeed } from '@sluice/host/testing/seed';
import { createAgentMachine } from '@sluice/protocol/agent-machine';
import type { ServerEffect } from '@sluice/protocol/server-events';
import { createServerMachine } from '@sluice/protocol/server-machine';
import { expect, test } from 'vitest';
import { MUTATIONS } from './mutation-list.ts';
import { drawOptions } from './options.ts';
import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { judgeOptions, judgeSeed, runOptions } from './run-seed.ts';
import { shrink } from './shrink.ts';
import type { Machines } from './world.ts';

/** Both together run in some 8 s; `npm run sim -- --seeds 10000` runs many. */
const FIXED_SEEDS = 200;
const FRESH_SEEDS = 200;
/** They take half a minute alone; on a busy machine they took more than one. */
const SEEDS_TIMEOUT_MS = 300_000;

function failuresOf(first: number, count: number): string[] {
  const failures: string[] = [];
  for (let seed = first; seed < first + count; seed += 1) {
    const { failure } = judgeSeed(seed);
    if (failure !== undefined)
      failures.push(`sluice sim --seed ${seed}: ${failure.checker}: ${failure.message}`);
  }
  return failures;
}

/** The production machines, but for what a server does. */
function withServerThat(change: (effects: ServerEffect[]) => ServerEffect[]): Machines {
  return {
    createAgentMachine,
    createServerMachine: (options) => {
      const machine = createServerMachine(options);
      return { step: (event) => change(machine.step(event)), view: (nowMs) => machine.view(nowMs) };
    },
  };
}

test('a seed runs exactly the same in two processes, another one differently', async () => {
  const run = async (seed: number): Promise<string> => {
    const main = path.join(import.meta.dirname, '..', 'cli', 'main.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'sim', '--seed', String(seed)]);
    return /^hash ([0-9a-f]{16})$/m.exec(stdout)?.[1] ?? `no hash in ${stdout}`;
  };
  const [first, again, other] = await Promise.all([run(7), run(7), run(8)]);
  expect(again).toBe(first);
  expect(first).toMatch(/^[0-9a-f]{16}$/);
  expect(other).not.toBe(first);
});

test('simulation: fixed seeds keep all rules', { timeout: SEEDS_TIMEOUT_MS }, () => {
  expect(failuresOf(1, FIXED_SEEDS)).toEqual([]);
});

test('simulation: fresh seeds keep all rules', { timeout: SEEDS_TIMEOUT_MS }, () => {
  expect(failuresOf(1_000_000 + drawSeed(), FRESH_SEEDS)).toEqual([]);
});

test.each(REGRESSION_SEEDS)('simulation: seed $seed, found $reason', ({ seed }) => {
  expect(failuresOf(seed, 1)).toEqual([]);
});

test('a server that acknowledges nothing is noticed: with the trace up to it, and a smaller world that shows it', () => {
  const machines = withServerThat((effects) => effects.filter(({ type }) => type !== 'acknowledge_block'));
  const options = drawOptions(2);
  const { outcome, trace } = runOptions(options, machines);
  expect(outcome.failure?.checker).toBe('answer');
  expect(trace.latest(20).join('\n')).toContain('block_durable');
  const smaller = shrink(options, 'answer', machines);
  expect(judgeOptions(smaller, machines).failure?.checker).toBe('answer');
  expect(smaller.agents).toBe(1);
  expect(Object.values(smaller.faults).every((rate) => rate === 0)).toBe(true);
});

test('every fault that a regression seed names can be put back', () => {
  const names = new Set(MUTATIONS.map(({ name }) => name));
  const unknown = REGRESSION_SEEDS.flatMap(({ mutation }) => mutation ?? []).filter(
    (name) => !names.has(name),
  );
  expect(unknown).toEqual([]);
});

test.each(MUTATIONS)('mutation "$name" applies to the machines as they are', ({ file, from, to }) => {
  const source = readFileSync(path.join(import.meta.dirname, '..', file), 'utf8');
  expect(source.split(from)).toHaveLength(2);
  expect(to).not.toBe(from);
});
