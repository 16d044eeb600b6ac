import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConfiguredChannel } from './channel-allocation.ts';
import { allocateChannels, firstBlockBytes, laneBlockBytes } from './channel-allocation.ts';
import type { ClassBacklog } from './model.ts';
import { MAX_BLOCK_RAW_BYTES, URGENCY_CLASSES } from './model.ts';

const MIB = 1024 * 1024;
const FOUR: readonly ConfiguredChannel[] = [1, 3, 5, 7].map((priority) => ({
  priority,
  quotaBytes: 16 * MIB,
}));
const quotas = (total: number, firstBytes: number, laneBytes: number): number[] =>
  allocateChannels(FOUR, total, 0, { firstBytes, laneBytes }).map(({ quotaBytes }) => quotaBytes / MIB);

test('U24 each channel of a grant holds the block that is next, or is left out', () => {
  expect(quotas(5 * MIB, MIB, 2 * MIB)).toEqual([1, 2, 2]);
  expect(quotas(4 * MIB, MIB, 2 * MIB)).toEqual([2, 2]);
  expect(quotas(2 * MIB, MIB, 2 * MIB)).toEqual([2]);
  expect(quotas(MIB, MIB, 4 * MIB)).toEqual([1]);
  expect(quotas(20 * MIB, MIB, MIB)).toEqual([8, 4, 4, 4]);
  // Nothing waits: no block is next.
  expect(quotas(MIB / 4, 0, 0)).toEqual([1 / 16, 1 / 16, 1 / 16, 1 / 16]);
});

test('U24 property: whatever waits and is granted, each channel carries', () => {
  const waiting = fc.uniqueArray(
    fc.record({
      urgency: fc.constantFrom(...URGENCY_CLASSES),
      nextBlockRawBytes: fc.integer({ min: 1, max: MAX_BLOCK_RAW_BYTES }),
    }),
    { minLength: 1, selector: ({ urgency }) => urgency },
  );
  const channelCounts = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(waiting, channelCounts, fc.nat({ max: 80 * MIB }), (classes, count, spareBytes) => {
      const backlog: ClassBacklog[] = classes.map((one) => ({
        ...{ ...one, recordCount: 1, rawBytes: one.nextBlockRawBytes, oldestAgeMs: 0 },
      }));
      const fit = { firstBytes: firstBlockBytes(backlog), laneBytes: laneBlockBytes(backlog) };
      const mostBytes = count * 16 * MIB;
      const totalBytes = Math.min(mostBytes, fit.firstBytes + spareBytes);
      const [first, ...others] = allocateChannels(FOUR.slice(0, count), totalBytes, 0, fit);
      expect((first?.quotaBytes ?? 0) - (first?.reservedForUrgentBytes ?? 0)).toBeGreaterThanOrEqual(
        fit.firstBytes,
      );
      for (const { quotaBytes } of others) expect(quotaBytes).toBeGreaterThanOrEqual(fit.laneBytes);
      const given = [first, ...others].reduce((sum, channel) => sum + (channel?.quotaBytes ?? 0), 0);
      // Nothing is given that there is not; what no channel can hold is not given.
      expect(given).toBeLessThanOrEqual(totalBytes);
      if (others.length === count - 1) expect(given).toBe(totalBytes);
    }),
  );
});
