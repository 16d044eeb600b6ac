import { expect, test } from 'vitest';
import { MAX_HELD_BYTES } from './consumer.ts';
import { ContainedLines } from './contained-consumer.ts';

const NOTHING = Buffer.alloc(0);

test('what a consumer cannot finish is lost once, and holds no position any more', () => {
  const failures: unknown[] = [];
  const consumer = {
    heldFromBytes: undefined as number | undefined,
    line: (_buffer: Buffer, _start: number, _end: number, _observedMs: number, offsetBytes: number): void => {
      consumer.heldFromBytes = offsetBytes;
    },
    finish: (): void => {
      throw new Error('injected');
    },
  };
  const contained = new ContainedLines(
    consumer,
    (error) => failures.push(error),
    () => false,
  );
  contained.line(NOTHING, 0, 0, 0, 100);
  expect(contained.heldFromBytes).toBe(100);
  for (let round = 0; round < 3; round += 1) contained.finish();
  expect(contained.heldFromBytes).toBeUndefined();
  expect([failures.length, contained.failedRecords, contained.lastFailure]).toEqual([
    1,
    1,
    'an error of the agent: injected',
  ]);
  // The next one is held as ever.
  contained.line(NOTHING, 0, 0, 0, 200);
  expect(contained.heldFromBytes).toBe(200);
});

test('a consumer that never lets go is told to finish, and one that does not even then is passed over', () => {
  const consumer = {
    heldFromBytes: 0,
    finished: 0,
    line: () => undefined,
    finish: (): void => {
      consumer.finished += 1;
    },
  };
  const contained = new ContainedLines(
    consumer,
    () => undefined,
    () => false,
  );
  contained.line(NOTHING, 0, 1000, 0, MAX_HELD_BYTES - 1000);
  expect([consumer.finished, contained.heldFromBytes]).toEqual([0, 0]);
  contained.line(NOTHING, 0, 1, 0, MAX_HELD_BYTES);
  expect([consumer.finished, contained.heldFromBytes, contained.failedRecords]).toEqual([1, undefined, 1]);
});

test('remembers whether what is held back begins inside of a line', () => {
  let midLine = false;
  const consumer = {
    heldFromBytes: undefined as number | undefined,
    line: (_buffer: Buffer, _start: number, _end: number, _observedMs: number, offsetBytes: number): void => {
      consumer.heldFromBytes ??= offsetBytes;
    },
  };
  const contained = new ContainedLines(
    consumer,
    () => undefined,
    () => midLine,
  );
  midLine = true;
  contained.line(NOTHING, 0, 5, 0, 10);
  midLine = false;
  contained.line(NOTHING, 0, 5, 0, 15);
  expect([contained.heldFromBytes, contained.heldMidLine]).toEqual([10, true]);
});
