import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRange, msToNanos, nanosToMs, parseRange, resolveRange, toLocalInput } from './time-range.ts';

describe('time range', () => {
  it('reads the words of the address', () => {
    expect(parseRange('15m')).toEqual({ kind: 'relative', seconds: 900 });
    expect(parseRange('1h')).toEqual({ kind: 'relative', seconds: 3600 });
    expect(parseRange('7d')).toEqual({ kind: 'relative', seconds: 604_800 });
    expect(parseRange('all')).toEqual({ kind: 'all' });
    expect(parseRange('2026-01-02T03:04:05Z..2026-01-02T03:04:06Z')).toEqual({
      kind: 'absolute',
      startMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      endMs: Date.UTC(2026, 0, 2, 3, 4, 6),
    });
  });

  it.each([
    '',
    '0m',
    '5y',
    'now',
    '..',
    '999999999w',
    '2026-01-02T00:00:00Z..2026-01-01T00:00:00Z',
    '2026-02-30T00:00:00Z..2026-03-05T00:00:00Z',
  ])('refuses %j', (text) => {
    expect(parseRange(text)).toBeUndefined();
  });

  it('comes back from its own text', () => {
    const relative = fc
      .integer({ min: 1, max: 315_360_000 })
      .map((seconds) => ({ kind: 'relative' as const, seconds }));
    const absolute = fc
      .tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 1e11 }))
      .map(([startMs, length]) => ({ kind: 'absolute' as const, startMs, endMs: startMs + length }));
    fc.assert(
      fc.property(fc.oneof(relative, absolute, fc.constant({ kind: 'all' as const })), (range) => {
        expect(parseRange(formatRange(range))).toEqual(range);
      }),
    );
  });

  it('resolves against the present that it is given', () => {
    expect(resolveRange({ kind: 'relative', seconds: 60 }, 100_000)).toEqual({
      startUnixNanos: 40_000_000_000n,
      endUnixNanos: 100_000_000_000n,
    });
    expect(resolveRange({ kind: 'all' }, 1)).toEqual({});
  });

  it('keeps milliseconds through nanoseconds, before 1970 too', () => {
    fc.assert(fc.property(fc.integer({ min: -1e13, max: 4e15 }), (ms) => nanosToMs(msToNanos(ms)) === ms));
    expect(nanosToMs(-1n)).toBe(-1);
  });

  it('writes a local time that the input reads back', () => {
    const ms = Date.UTC(2026, 5, 7, 8, 9, 10);
    expect(new Date(toLocalInput(ms)).getTime()).toBe(ms);
  });
});
