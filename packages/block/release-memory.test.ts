import { expect, test } from 'vitest';
import { releaseMemory } from './release-memory.ts';

test('a large buffer is empty afterwards, for every view of it', () => {
  const bytes = Buffer.allocUnsafeSlow(1024 * 1024);
  const view = bytes.subarray(10, 20);
  releaseMemory(bytes);
  expect(bytes.length).toBe(0);
  expect(view.length).toBe(0);
});

test('releasing twice does no harm', () => {
  const bytes = new Uint8Array(1024 * 1024);
  releaseMemory(bytes);
  releaseMemory(bytes);
  expect(bytes.length).toBe(0);
});

test('what shares the memory of the runtime is left alone', () => {
  const one = Buffer.from('one');
  const large = Buffer.allocUnsafe(Buffer.poolSize >>> 1);
  releaseMemory(one);
  releaseMemory(large);
  expect(one.toString()).toBe('one');
  expect(large.length).toBe(Buffer.poolSize >>> 1);
});
