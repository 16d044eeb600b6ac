import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatInstant, formatTime } from './format.ts';

describe('format', () => {
  it('groups counts', () => {
    expect(formatCount(1_234_567n)).toBe('1,234,567');
    expect(formatCount(0)).toBe('0');
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_468_006, '1.4 MiB'],
    [268_435_456, '256 MiB'],
    [5n * 1024n ** 3n, '5.0 GiB'],
  ])('%s bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [12_345, '12.3 s'],
    [59_999, '59.9 s'],
    [250_000, '4 m 10 s'],
    [11_100_000n, '3 h 5 m'],
    [187_200_000, '2 d 4 h'],
    [-5, '0 ms'],
  ])('%s milliseconds are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('writes times in a fixed shape', () => {
    const nanos = 1_780_819_750_123_456_789n;
    expect(formatTime(nanos, { withDate: true, zone: 'utc' })).toBe('2026-06-07 08:09:10.123');
    expect(formatTime(nanos, { withDate: false, zone: 'utc' })).toBe('08:09:10.123');
    expect(formatInstant(nanos)).toBe('2026-06-07T08:09:10.123456789Z');
    expect(formatInstant(-1n)).toBe('1969-12-31T23:59:59.999999999Z');
  });
});
