import { expect, test } from 'vitest';
import { MAX_REMOVED_HANDLES, needsSweep } from './handle.ts';

test('a collection sweeps once more than half of its handles, and more than a few, are of removed items', () => {
  expect(needsSweep(MAX_REMOVED_HANDLES, 0)).toBe(false);
  expect(needsSweep(MAX_REMOVED_HANDLES + 1, 0)).toBe(true);
  expect(needsSweep(200 + MAX_REMOVED_HANDLES, 100)).toBe(false);
  expect(needsSweep(201 + MAX_REMOVED_HANDLES, 100)).toBe(true);
});
