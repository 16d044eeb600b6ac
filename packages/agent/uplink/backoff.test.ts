import { expect, test } from 'vitest';
import { ReconnectPauses, reconnectDelayMs } from './backoff.ts';
import {
  RECONNECT_LEAST_MS,
  RECONNECT_MOST_MS,
  RECONNECT_REFUSED_MS,
  RECONNECT_VIOLATION_LEAST_MS,
  STABLE_CONNECTION_MS,
  VIOLATION_MEMORY_MS,
} from './limits.ts';

test('pauses double, are jittered and bounded', () => {
  expect(reconnectDelayMs(1, 1)).toBe(RECONNECT_LEAST_MS);
  expect(reconnectDelayMs(1, 0)).toBe(RECONNECT_LEAST_MS / 2);
  expect(reconnectDelayMs(2, 1)).toBe(RECONNECT_LEAST_MS * 2);
  expect(reconnectDelayMs(1000, 1)).toBe(RECONNECT_MOST_MS);
});

test('a server that fails is met less and less, and at once after it was well', () => {
  const pauses = new ReconnectPauses(() => 1);
  const end = { code: 'not_reachable' as const, lastedMs: 5, nowMs: 0 };
  expect([1, 2, 3].map(() => pauses.after(end))).toEqual(
    [1, 2, 4].map((times) => times * RECONNECT_LEAST_MS),
  );
  expect(pauses.after({ ...end, lastedMs: STABLE_CONNECTION_MS })).toBe(RECONNECT_LEAST_MS);
});

test('U19: a server that breaks the protocol is met less and less, however long its connections last', () => {
  const pauses = new ReconnectPauses(() => 0);
  const violation = { code: 'protocol_violation' as const, lastedMs: 2 * STABLE_CONNECTION_MS };
  const delays = [0, 1, 2, 3, 4].map((nowMs) => {
    // A failure of another kind between does not make it a good one.
    pauses.after({ code: undefined, lastedMs: STABLE_CONNECTION_MS, nowMs });
    return pauses.after({ ...violation, nowMs });
  });
  const least = RECONNECT_VIOLATION_LEAST_MS;
  expect(delays).toEqual([least, 2 * least, 4 * least, RECONNECT_REFUSED_MS, RECONNECT_REFUSED_MS]);
  expect(pauses.after({ ...violation, nowMs: 4 + VIOLATION_MEMORY_MS })).toBe(least);
});

test('what only people can change is not tried again soon', () => {
  const pauses = new ReconnectPauses(() => 0);
  expect(pauses.after({ code: 'unauthorized', lastedMs: 5, nowMs: 0 })).toBe(RECONNECT_REFUSED_MS);
});
