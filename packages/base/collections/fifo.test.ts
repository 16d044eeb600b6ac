import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from './fifo.ts';
import type { Handle } from './handle.ts';

test('Fifo: the first is the one that was added first, whichever are removed, and twice', () => {
  // Adds a number, or removes one of those added before, which may be removed already.
  const actions = fc.array(fc.record({ added: fc.option(fc.integer()), removed: fc.nat() }), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(actions, (steps) => {
      const fifo = new Fifo<number>();
      const handles: Handle<number>[] = [];
      const isIn: boolean[] = [];
      for (const { added, removed } of steps) {
        const index = removed % Math.max(1, handles.length);
        const handle = handles[index];
        if (added !== null) {
          handles.push(fifo.add(added));
          isIn.push(true);
        } else if (handle !== undefined) {
          fifo.remove(handle);
          isIn[index] = false;
        }
        const model = handles.filter((_, place) => isIn[place]).map(({ item }) => item);
        expect(fifo.first).toBe(model[0]);
        expect(fifo.size).toBe(model.length);
      }
    }),
  );
});

test('Fifo: it keeps its order over sweeps', () => {
  const fifo = new Fifo<number>();
  const handles = Array.from({ length: 1_000 }, (_, index) => fifo.add(index));
  for (const [index, handle] of handles.entries()) if (index % 10 !== 3) fifo.remove(handle);
  const left: number[] = [];
  for (const handle of handles) {
    if (handle.isRemoved) continue;
    left.push(fifo.first ?? Number.NaN);
    fifo.remove(handle);
  }
  expect(left).toEqual(Array.from({ length: 100 }, (_, index) => 10 * index + 3));
  expect(fifo.first).toBeUndefined();
});
