import { expect, test } from 'vitest';
import { formatBytes, formatDuration } from './quantity-text.ts';

test('are shown with binary units', () => {
  expect([0, 1023, 1536, 150 * 1024 * 1024].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.5 KiB',
    '150 MiB',
  ]);
});

test('lengths of time are shown in one unit', () => {
  expect([0, 350, 12_000, 300_000, 11_520_000].map(formatDuration)).toEqual([
    '0 s',
    '350 ms',
    '12 s',
    '5 m',
    '3.2 h',
  ]);
});
