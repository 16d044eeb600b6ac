import { expect, test } from 'vitest';
import { timeMs } from './brand.ts';
import type { Timed } from './machine-runner.ts';
import { MachineRunner } from './machine-runner.ts';

/** An event asks for effects; an effect dispatches events, or stops or fails the runner. */
interface Asked {
  readonly name: string;
  readonly effects?: readonly Effect[];
}
interface Effect {
  readonly name: string;
  readonly dispatches?: readonly Asked[];
  readonly does?: 'stop' | 'throw';
}

/** A runner of a machine that does what it is told, with a clock that moves on by 1 ms with each look at it. */
function start(): { runner: MachineRunner<Asked, Effect>; log: string[] } {
  const log: string[] = [];
  let nowMs = 0;
  const machine = {
    step: ({ name, atMs, effects = [] }: Timed<Asked>): readonly Effect[] => {
      log.push(`step ${name} at ${atMs}`);
      return effects;
    },
  };
  const runner: MachineRunner<Asked, Effect> = new MachineRunner(machine, {
    now: () => {
      nowMs += 1;
      return timeMs(nowMs);
    },
    execute: ({ name, dispatches = [], does }) => {
      log.push(`${name} begins`);
      for (const event of dispatches) runner.dispatch(event);
      if (does === 'stop') runner.stop();
      if (does === 'throw') throw new Error(`${name} failed`);
      log.push(`${name} ends`);
    },
    stepped: ({ name }, effects) => log.push(`stepped ${name} with ${effects.length}`),
  });
  return { runner, log };
}

test('an event of an effect waits until all effects of its step are executed, and is stamped in its turn', () => {
  const { runner, log } = start();
  const inner: Asked = { name: 'inner', effects: [{ name: 'c' }] };
  runner.dispatch({
    name: 'outer',
    effects: [{ name: 'a', dispatches: [inner, { name: 'next' }] }, { name: 'b' }],
  });
  runner.dispatch({ name: 'later' });
  expect(log).toEqual([
    ...['step outer at 1', 'stepped outer with 2', 'a begins', 'a ends', 'b begins', 'b ends'],
    ...['step inner at 2', 'stepped inner with 1', 'c begins', 'c ends'],
    ...['step next at 3', 'stepped next with 0', 'step later at 4', 'stepped later with 0'],
  ]);
});

test('a runner that is stopped in the middle of a step executes and steps nothing more', () => {
  const { runner, log } = start();
  runner.dispatch({
    name: 'outer',
    effects: [{ name: 'a', dispatches: [{ name: 'inner' }], does: 'stop' }, { name: 'b' }],
  });
  runner.dispatch({ name: 'later' });
  expect(log).toEqual(['step outer at 1', 'stepped outer with 2', 'a begins', 'a ends']);
});

test('an effect that throws stops the runner, and the caller learns of it', () => {
  const { runner, log } = start();
  const failing: Asked = { name: 'outer', effects: [{ name: 'a', does: 'throw' }, { name: 'b' }] };
  expect(() => runner.dispatch(failing)).toThrow('a failed');
  runner.dispatch({ name: 'later' });
  expect(log).toEqual(['step outer at 1', 'stepped outer with 2', 'a begins']);
});
