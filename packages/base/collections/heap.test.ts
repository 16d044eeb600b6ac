import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from './heap.ts';

function takeAll(heap: Heap<number>): number[] {
  const taken: number[] = [];
  for (let first = heap.takeFirst(); first !== undefined; first = heap.takeFirst()) taken.push(first);
  return taken;
}

test('Heap: what is added comes out in order, whatever is added and taken in between', () => {
  const action = fc.option(fc.integer());
  fc.assert(
    fc.property(fc.array(action), fc.integer(), (actions, least) => {
      const heap = new Heap<number>((a, b) => a < b);
      let model: number[] = [];
      for (const number of actions) {
        if (number === null) {
          expect(heap.takeFirst()).toBe(model.shift());
        } else {
          heap.add(number);
          model = [...model, number].sort((a, b) => a - b);
        }
        expect(heap.first).toBe(model[0]);
        expect(heap.size).toBe(model.length);
      }
      heap.retain((number) => number >= least);
      expect(takeAll(heap)).toEqual(model.filter((number) => number >= least));
    }),
  );
});
