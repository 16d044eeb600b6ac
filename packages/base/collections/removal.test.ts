/** What can be taken out of wherever it lies. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from './fifo.ts';
import { RemovalHeap } from './removal-heap.ts';
import type { Slot } from './slot.ts';

/** Puts a number in, or takes out one of those that were put in (again, perhaps). */
const actions = fc.array(fc.record({ put: fc.option(fc.integer()), taken: fc.nat() }));

test('a heap and a queue give what is in them in order, whatever is taken out between', () => {
  fc.assert(
    fc.property(actions, (steps) => {
      const heap = new RemovalHeap<number>((a, b) => a < b);
      const fifo = new Fifo<number>();
      const slots: { readonly inHeap: Slot<number>; readonly inFifo: Slot<number>; isIn: boolean }[] = [];
      for (const { put, taken } of steps) {
        const slot = slots[taken % Math.max(1, slots.length)];
        if (put !== null) slots.push({ inHeap: heap.push(put), inFifo: fifo.put(put), isIn: true });
        else if (slot !== undefined) {
          heap.remove(slot.inHeap);
          fifo.remove(slot.inFifo);
          slot.isIn = false;
        }
        const model = slots.filter(({ isIn }) => isIn).map(({ inHeap }) => inHeap.item);
        expect(fifo.first).toBe(model[0]);
        expect(heap.size).toBe(model.length);
        expect(heap.first).toBe(model.toSorted((a, b) => a - b)[0]);
      }
    }),
  );
});
