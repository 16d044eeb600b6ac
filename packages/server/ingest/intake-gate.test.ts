import type { AgentId } from '@sluice/protocol/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IntakeGate } from './intake-gate.ts';

const a = 'a' as AgentId;
const b = 'b' as AgentId;

test('an agent at its bound waits, and holds up no other', async () => {
  const gate = new IntakeGate(10, 100);
  const leave = await gate.enter(a, 10);
  let entered = false;
  const waiting = Promise.resolve(gate.enter(a, 1)).then((release) => {
    entered = true;
    return release;
  });
  (await gate.enter(b, 5))();
  expect(entered).toBe(false);
  leave();
  (await waiting)();
  expect(gate.heldBytes).toBe(0);
});

test('giving back twice counts once', async () => {
  const gate = new IntakeGate(10, 10);
  const first = await gate.enter(a, 4);
  await gate.enter(b, 4);
  first();
  first();
  expect(gate.heldBytes).toBe(4);
});

test('no bound is passed but by one block alone, and everyone enters in the end', async () => {
  const visit = fc.record({ agent: fc.constantFrom(a, b), bytes: fc.integer({ min: 1, max: 30 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(visit, { maxLength: 40 }), async (visits) => {
      const gate = new IntakeGate(12, 20);
      let inside = 0;
      await Promise.all(
        visits.map(async ({ agent, bytes }) => {
          const leave = await gate.enter(agent, bytes);
          inside += 1;
          expect(gate.heldBytes <= 20 || inside === 1).toBe(true);
          await Promise.resolve();
          inside -= 1;
          leave();
        }),
      );
      expect(gate.heldBytes).toBe(0);
    }),
  );
});
