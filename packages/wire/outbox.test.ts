import { expect, test } from 'vitest';
import { Outbox } from './outbox.ts';

test('messages leave in order, and the stream ends after them', async () => {
  const outbox = new Outbox<number>(10);
  outbox.push(1);
  outbox.push(2);
  outbox.end();
  expect(outbox.push(3)).toBe(false);
  expect(await Array.fromAsync(outbox)).toEqual([1, 2]);
});

test('a consumer that waits is woken by a push', async () => {
  const outbox = new Outbox<string>(1);
  const next = outbox[Symbol.asyncIterator]().next();
  outbox.push('late');
  expect(await next).toEqual({ done: false, value: 'late' });
});

test('beyond its capacity nothing is taken', () => {
  const outbox = new Outbox<number>(2);
  expect([outbox.push(1), outbox.push(2), outbox.push(3)]).toEqual([true, true, false]);
});

test('flushed resolves when the consumer comes back for more, not before', async () => {
  const outbox = new Outbox<number>(10);
  const iterator = outbox[Symbol.asyncIterator]();
  outbox.push(1);
  let flushed = false;
  const flush = outbox.flushed().then(() => {
    flushed = true;
  });
  await iterator.next();
  await Promise.resolve();
  expect(flushed).toBe(false);
  void iterator.next();
  await flush;
  expect(flushed).toBe(true);
});

test('a failure drops what waits, and lets nobody wait for it', async () => {
  const outbox = new Outbox<number>(10);
  outbox.push(1);
  const flush = outbox.flushed();
  outbox.fail(new Error('gone'));
  await flush;
  await expect(outbox[Symbol.asyncIterator]().next()).rejects.toThrow('gone');
  expect(outbox.isOpen).toBe(false);
});
