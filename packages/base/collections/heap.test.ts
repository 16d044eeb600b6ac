import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from './heap.ts';

const numbers = (): Heap<number> => new Heap<number>((a, b) => a < b);

function drain(heap: Heap<number>): number[] {
  const taken: number[] = [];
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) taken.push(top);
  return taken;
}

test('what is put in comes out in order, whatever comes between', () => {
  const action = fc.option(fc.integer());
  fc.assert(
    fc.property(fc.array(action), fc.integer(), (actions, least) => {
      const heap = numbers();
      let model: number[] = [];
      for (const number of actions) {
        if (number === null) {
          expect(heap.pop()).toBe(model.shift());
        } else {
          heap.push(number);
          model = [...model, number].sort((a, b) => a - b);
        }
        expect(heap.top).toBe(model[0]);
        expect(heap.size).toBe(model.length);
      }
      heap.retain((number) => number >= least);
      expect(drain(heap)).toEqual(model.filter((number) => number >= least));
    }),
  );
});
