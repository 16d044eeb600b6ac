import { create } from '@bufbuild/protobuf';
import { HistogramResponseSchema } from '@sluice/wire/gen/query_pb';
import { describe, expect, it } from 'vitest';
import { SEVERITIES } from '../severity/severity.ts';
import { busiestBucket, toHistogramData } from './histogram-data.ts';

const SECOND = 1_000_000_000n;

describe('histogram data', () => {
  const data = toHistogramData(
    create(HistogramResponseSchema, {
      startUnixNanos: 0n,
      stepNanos: 10n * SECOND,
      total: 16n,
      buckets: [
        { startUnixNanos: 130n * SECOND, info: 2n, error: 1n },
        { startUnixNanos: 100n * SECOND, info: 5n, warn: 3n, fatal: 1n, debug: 4n },
      ],
    }),
  );

  it('fills the gaps and sorts', () => {
    expect(data.startsMs).toEqual([100_000, 110_000, 120_000, 130_000]);
    expect(data.stacks.at(-1)).toEqual([13, 0, 0, 3]);
  });

  it('stacks in the order of severity', () => {
    expect(data.stacks[SEVERITIES.indexOf('debug')]?.[0]).toBe(4);
    expect(data.stacks[SEVERITIES.indexOf('info')]?.[0]).toBe(9);
    expect(data.stacks[SEVERITIES.indexOf('warn')]?.[0]).toBe(12);
    expect(data.totals).toMatchObject({ info: 7, warn: 3, error: 1, fatal: 1, debug: 4 });
  });

  it('finds the busiest bucket', () => {
    expect(busiestBucket(data)).toEqual({ startMs: 100_000, count: 13 });
  });

  it('takes an empty answer and one with an absurd step', () => {
    const empty = toHistogramData(create(HistogramResponseSchema, {}));
    expect(empty.startsMs).toEqual([]);
    expect(busiestBucket(empty)).toBeUndefined();
    const absurd = toHistogramData(
      create(HistogramResponseSchema, {
        stepNanos: 1n,
        buckets: [{ startUnixNanos: 0n }, { startUnixNanos: 10n ** 18n, info: 1n }],
      }),
    );
    expect(absurd.startsMs.length).toBeLessThanOrEqual(2000);
  });
});
