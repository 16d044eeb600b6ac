import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Handle } from './handle.ts';
import { RemovalHeap } from './removal-heap.ts';

test('RemovalHeap: the first comes before all that are in, whichever are removed, and twice', () => {
  // Adds a number, or removes one of those added before, which may be removed already.
  const actions = fc.array(fc.record({ added: fc.option(fc.integer()), removed: fc.nat() }), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(actions, (steps) => {
      const heap = new RemovalHeap<number>((a, b) => a < b);
      const handles: Handle<number>[] = [];
      const isIn: boolean[] = [];
      for (const { added, removed } of steps) {
        const index = removed % Math.max(1, handles.length);
        const handle = handles[index];
        if (added !== null) {
          handles.push(heap.add(added));
          isIn.push(true);
        } else if (handle !== undefined) {
          heap.remove(handle);
          isIn[index] = false;
        }
        const model = handles.filter((_, place) => isIn[place]).map(({ item }) => item);
        expect(heap.first).toBe(model.length === 0 ? undefined : Math.min(...model));
        expect(heap.size).toBe(model.length);
      }
    }),
  );
});
