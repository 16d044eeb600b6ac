import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LinkLine } from './link-line.ts';

test('a piece leaves at the rate of the line and then takes the delay', () => {
  const line = new LinkLine(60_000, 50);
  expect(line.carry(1500, 1000, 1000)).toBe(1000 + 25 + 50);
  expect(line.freeAtMs).toBe(1025);
  // The next waits for it, and one that comes when the line is free does not.
  expect(line.carry(600, 1000, 1025)).toBe(1025 + 10 + 50);
  expect(line.carry(600, 2000, 2000)).toBe(2000 + 10 + 50);
});

test('a line that was free gives no credit, and one that is served late makes it up', () => {
  const line = new LinkLine(100_000, 0);
  line.carry(100, 0, 0);
  expect(line.carry(100, 500, 500)).toBe(501);
  // Free at 501, but the timer came at 521: the piece had been there since 500.
  expect(line.carry(100, 500, 521)).toBe(502);
  // A receiver that read nothing for long leaves no debt of the line.
  expect(line.carry(100, 500, 5000)).toBe(4901);
});

test('without a limit a piece takes the delay alone', () => {
  const line = new LinkLine(Number.POSITIVE_INFINITY, 50);
  expect([line.carry(1e6, 10, 10), line.carry(1e6, 10, 10)]).toEqual([60, 60]);
  expect(line.bytesIn(2)).toBe(Number.POSITIVE_INFINITY);
});

test('whoever comes when, no time carries more than the rate allows, and order is kept', () => {
  const rate = 50_000;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), pauseMs: fc.nat(80), lateMs: fc.nat(150) }),
      ),
      (pieces) => {
        const line = new LinkLine(rate, 30);
        let [nowMs, arrivesMs] = [0, 0];
        for (const { bytes, pauseMs, lateMs } of pieces) {
          const cameMs = nowMs + pauseMs;
          nowMs = Math.max(cameMs, line.freeAtMs) + lateMs;
          const beforeMs = arrivesMs;
          arrivesMs = line.carry(bytes, cameMs, nowMs);
          const takesMs = (bytes / rate) * 1000;
          expect(arrivesMs).toBeGreaterThanOrEqual(cameMs + takesMs + 30 - 1e-6);
          expect(arrivesMs).toBeGreaterThanOrEqual(beforeMs + takesMs - 1e-6);
        }
      },
    ),
  );
});
