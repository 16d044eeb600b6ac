import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, expect, test, vi } from 'vitest';
import { clientError } from './client.ts';
import { MAX_PATIENCE_MS, patiently } from './patience.ts';

let waits: number[];
beforeEach(() => {
  waits = [];
});
const wait = async (ms: number): Promise<void> => {
  waits.push(ms);
};

function busy(seconds: number): ConnectError {
  const metadata = { 'sluice-error-code': 'busy', 'retry-after': String(seconds) };
  return new ConnectError(
    `busy with other searches, try again in ${seconds} s`,
    Code.ResourceExhausted,
    metadata,
  );
}

test('a busy server is asked again when it said so', async () => {
  const call = vi.fn<() => Promise<number>>().mockRejectedValueOnce(busy(7)).mockResolvedValue(5);
  expect(await patiently(call, wait)).toBe(5);
  expect(waits).toEqual([7_000]);
});

test('patience ends, and then the server is called busy, never away', async () => {
  const call = vi.fn(() => Promise.reject(busy(8)));
  const asked = patiently(call, wait).catch((error: unknown) => clientError(error, 'http://x'));
  expect(await asked).toMatchObject({
    code: 'busy',
    message: 'http://x is busy with other searches, try again in 8 s',
  });
  expect(waits).toEqual([8_000, 8_000, 8_000]);
  expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(MAX_PATIENCE_MS);
});

test('no other error is tried again', async () => {
  const call = vi.fn(() => Promise.reject(new ConnectError('down', Code.Unavailable)));
  await expect(patiently(call, wait)).rejects.toThrow('down');
  expect(call).toHaveBeenCalledTimes(1);
});
