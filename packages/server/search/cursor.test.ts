import fc from 'fast-check';
import { expect, test } from 'vitest';
import { behindSql, readCursor, writeCursor } from './cursor.ts';

test('a cursor reads back as the same place', () => {
  const places = fc.record({
    timestampNanos: fc.bigInt({ min: 0n, max: 4_260_000_000_000_000_000n }),
    agentId: fc.string({ minLength: 1, maxLength: 128 }),
    observedNanos: fc.bigInt({ min: 0n, max: 4_260_000_000_000_000_000n }),
    offsetBytes: fc.bigInt({ min: 0n, max: 2n ** 53n }),
    epoch: fc.bigInt({ min: 0n, max: 2n ** 53n }),
    sequence: fc.bigInt({ min: 0n, max: 2n ** 53n }),
    record: fc.nat(),
    digest: fc.string({ maxLength: 32 }),
  });
  fc.assert(
    fc.property(places, (place) => {
      expect(readCursor(writeCursor(place))).toEqual(place);
    }),
  );
});

test('anything else is refused as a mistake of the caller', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => readCursor(text)).toThrow(expect.objectContaining({ code: 'query_invalid' }));
    }),
  );
});

test("an agent's name cannot leave its literal", () => {
  const place = {
    timestampNanos: 1n,
    agentId: "a') OR 1=1 --",
    observedNanos: 2n,
    offsetBytes: 3n,
    epoch: 1n,
    sequence: 1n,
    record: 0,
    digest: 'd',
  };
  expect(behindSql(place)).toContain(
    "('a\\') OR 1=1 --', fromUnixTimestamp64Nano(toInt64('2')), 3, 1, 1, 0, 'd')",
  );
});
