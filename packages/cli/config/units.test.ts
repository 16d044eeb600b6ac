import { describe, expect, test } from 'vitest';
import { parseBytes, parseBytesPerSecond, parseDurationMs, parseListen, parseMomentNanos } from './units.ts';

describe('sizes', () => {
  test.each([
    ['1048576', 1048576],
    ['20MB', 20_000_000],
    ['64 MiB', 64 * 1024 * 1024],
    ['1.5kib', 1536],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each(['', 'MiB', '12 parsecs', '-1', '1e9'])('%j is refused with a hint', (text) => {
    expect(() => parseBytes(text)).toThrowError(
      expect.objectContaining({ code: 'usage', hint: expect.any(String) }),
    );
  });

  test('per second', () => {
    expect(['20MB/s', '1.5 KiB/s', '100/s'].map(parseBytesPerSecond)).toEqual([20_000_000, 1536, 100]);
  });

  test.each(['20MB', '/s', '20MB/m', 'fast/s'])('%j per second is refused with a hint', (text) => {
    expect(() => parseBytesPerSecond(text)).toThrowError(
      expect.objectContaining({ code: 'usage', hint: expect.any(String) }),
    );
  });
});

describe('durations and moments', () => {
  test('durations are read with their unit', () => {
    expect(['500ms', '30s', '15m', '1h', '7d'].map(parseDurationMs)).toEqual([
      500,
      30e3,
      900e3,
      3600e3,
      7 * 86400e3,
    ]);
    expect(() => parseDurationMs('10')).toThrow(/not a duration/);
  });

  test('a moment is before now, or a date', () => {
    const nowMs = Date.parse('2026-01-02T00:00:00Z');
    expect(parseMomentNanos('1h', nowMs)).toBe(BigInt(nowMs - 3_600_000) * 1_000_000n);
    expect(parseMomentNanos('2026-01-01T12:00:00Z', nowMs)).toBe(
      BigInt(Date.UTC(2026, 0, 1, 12)) * 1_000_000n,
    );
    expect(parseMomentNanos('2026-01-01 12:00:00Z', nowMs)).toBe(
      BigInt(Date.UTC(2026, 0, 1, 12)) * 1_000_000n,
    );
    expect(() => parseMomentNanos('yesterday', nowMs)).toThrow(/not a time/);
    expect(() => parseMomentNanos('7', nowMs)).toThrow(/not a time/);
  });
});

describe('addresses to listen on', () => {
  test.each([
    ['4620', '127.0.0.1', 4620],
    [':4620', '127.0.0.1', 4620],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:0', '::1', 0],
  ])('%s', (text, host, port) => {
    expect(parseListen(text)).toEqual({ host, port });
  });

  test.each(['', 'host', 'host:99999', '1:2:3'])('%j is refused', (text) => {
    expect(() => parseListen(text)).toThrow(/not an address/);
  });
});

test.each([
  '2026-02-30',
  '2026-02-29',
  '2026-04-31T12:00:00Z',
  '2026-02-30 10:00',
  '2026-13-01',
  '2026-00-10',
  '2026-01-00',
])('%s is no day', (text) => {
  expect(() => parseMomentNanos(text, 0)).toThrow(`'${text}' is not a time`);
});

test('the last days of months are days', () => {
  for (const text of ['2028-02-29T00:00:00Z', '2026-02-28', '2026-12-31T23:59:59.999Z', '2000-02-29']) {
    expect(parseMomentNanos(text, 0)).toBeGreaterThan(0n);
  }
});
